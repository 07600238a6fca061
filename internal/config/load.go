package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/goccy/go-yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source is where a configuration is read from. A later layer wins: defaults,
// file, environment, flags.
type Source struct {
	// File is the YAML file; "" reads none.
	File string
	// Env is the environment as os.Environ returns it. See [EnvPrefix].
	Env []string
	// Flags are the values of the flags that were set on the command line, by
	// dotted key such as "gateway.listen".
	Flags map[string]any
	// FlagNames says, by dotted key, what a flag is called on the command line
	// if it is not its key. Those of "gatehouse dev" are known.
	FlagNames map[string]string
}

// layers is the configuration while it is put together.
type layers struct {
	koanf    *koanf.Koanf
	problems []Problem
	// origin says where the value of a key was set last.
	origin map[string]string
}

// separator joins the keys of a path in koanf.
const separator = "."

// Load returns the configuration of src. The error lists everything that is
// wrong in all layers, each [Problem] in a line of its own:
//
//	configs/gatehouse.yaml:12:3: unknown key "lisen"; did you mean "listen"?
//	environment GATEHOUSE_AUTH__LISTEN: "9101" is not an address such as "127.0.0.1:8080"
//	flag --http: …
func Load(src Source) (*Config, error) {
	l := &layers{koanf: koanf.New(separator), origin: map[string]string{}}
	l.merge(treeOf(reflect.ValueOf(*Default())))
	c := &Config{dir: "."}
	if src.File != "" {
		c.dir = filepath.Dir(src.File)
		data, err := os.ReadFile(src.File)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		l.file(src.File, data)
	}
	l.environment(src.Env)
	l.flags(src.Flags, src.FlagNames)
	err := l.koanf.UnmarshalWithConf("", c, koanf.UnmarshalConf{
		Tag: yaml.StructTagName,
		DecoderConfig: &mapstructure.DecoderConfig{
			Result: c, TagName: yaml.StructTagName, SquashTagOption: "inline",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("put configuration together: %w", err)
	}
	l.validate(c)
	if err := join(l.problems); err != nil {
		return nil, err
	}
	return c, nil
}

func (l *layers) file(file string, data []byte) {
	body, problems := parseDocument(file, data)
	c := &checker{file: file, problems: problems, origin: l.origin}
	var tree any
	if body != nil {
		tree, _ = c.value(body, reflect.TypeFor[Config](), nil)
	}
	l.problems = append(l.problems, sortByPlace(c.problems)...)
	l.merge(tree)
}

// merge lays a section over what is there.
func (l *layers) merge(tree any) {
	if section, ok := tree.(map[string]any); ok {
		// Merging maps in memory cannot fail.
		_ = l.koanf.Load(confmap.Provider(section, ""), nil)
	}
}

// set puts a value given as text into the layers.
func (l *layers) set(where string, path []string, text string) {
	t, _, problem := lookup(reflect.TypeFor[Config](), path)
	if problem != "" {
		l.problems = append(l.problems, Problem{where, problem})
		return
	}
	key := strings.Join(path, separator)
	v, err := parseText(text, t, l.koanf.Get(key))
	if err != nil {
		l.problems = append(l.problems, Problem{where, err.Error()})
		return
	}
	l.origin[key] = where
	tree := v
	for _, name := range slices.Backward(path) {
		tree = map[string]any{name: tree}
	}
	l.merge(tree)
}

func (l *layers) flags(flags map[string]any, names map[string]string) {
	known := map[string]string{
		"gateway.listen": "http", "gateway.listen_tls": "https",
		"database.url": "database-url", "bus.url": "nats-url",
	}
	for key, name := range names {
		known[key] = name
	}
	for _, key := range sortedKeys(flags) {
		name := key
		if known[key] != "" {
			name = known[key]
		}
		value := flags[key]
		if s, ok := value.(Secret); ok {
			value = s.Reveal()
		}
		l.set("flag --"+strings.TrimLeft(name, "-"), strings.Split(key, separator), fmt.Sprint(value))
	}
}
