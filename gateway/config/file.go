package config

import (
	"time"

	kit "gatehouse.example/internal/config"
)

// The types below are the file's shape, key by key.

type fileGateway struct {
	Listeners []fileListener          `yaml:"listeners"`
	Limits    fileLimits              `yaml:"limits"`
	Trusted   []string                `yaml:"trusted_proxies"`
	Versions  *fileVersions           `yaml:"versions"`
	Filters   map[string]fileFilter   `yaml:"filters"`
	Upstreams map[string]fileUpstream `yaml:"upstreams"`
	Routes    []fileRoute             `yaml:"routes"`
}

type fileListener struct {
	Address string   `yaml:"address"`
	TLS     *fileTLS `yaml:"tls"`
}

type fileTLS struct {
	Mode        string `yaml:"mode"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

type fileLimits struct {
	MaxBody        *kit.Bytes     `yaml:"max_body"`
	MaxHead        *kit.Bytes     `yaml:"max_head"`
	HeadTimeout    *time.Duration `yaml:"head_timeout"`
	IdleTimeout    *time.Duration `yaml:"idle_timeout"`
	BodyTimeout    *time.Duration `yaml:"body_timeout"`
	MaxConnections *int           `yaml:"max_connections"`
	DrainTimeout   *time.Duration `yaml:"drain_timeout"`
}

type fileVersions struct {
	Known   []string `yaml:"known"`
	Default string   `yaml:"default"`
	Header  *string  `yaml:"header"`
}

type fileFilter struct {
	Module      string            `yaml:"module"`
	SHA256      string            `yaml:"sha256"`
	Signature   *fileSignature    `yaml:"signature"`
	Config      any               `yaml:"config"`
	Grants      []string          `yaml:"grants"`
	OnError     string            `yaml:"on_error"`
	Limits      fileFilterLimits  `yaml:"limits"`
	Environment map[string]string `yaml:"environment"`
	Directories map[string]string `yaml:"directories"`
	HTTP        fileFilterHTTP    `yaml:"http"`
}

type fileSignature struct {
	PublicKey string `yaml:"public_key"`
	Value     string `yaml:"value"`
	File      string `yaml:"file"`
}

type fileFilterHTTP struct {
	Allow []string `yaml:"allow"`
}

type fileFilterLimits struct {
	Memory        kit.Bytes     `yaml:"memory"`
	Fuel          int64         `yaml:"fuel"`
	StartFuel     int64         `yaml:"start_fuel"`
	CallDepth     int           `yaml:"call_depth"`
	TableElements int           `yaml:"table_elements"`
	Module        kit.Bytes     `yaml:"module"`
	Instances     int           `yaml:"instances"`
	Queue         int           `yaml:"queue"`
	QueueTimeout  time.Duration `yaml:"queue_timeout"`
	HostTime      time.Duration `yaml:"host_time"`
	Body          kit.Bytes     `yaml:"body"`
	LogLines      int           `yaml:"log_lines"`
	KV            kit.Bytes     `yaml:"kv"`
}

type fileUpstream struct {
	Targets              []string     `yaml:"targets"`
	Balance              string       `yaml:"balance"`
	Health               *fileHealth  `yaml:"health"`
	Identity             string       `yaml:"identity"`
	ForwardAuthorization bool         `yaml:"forward_authorization"`
	Timeouts             fileTimeouts `yaml:"timeouts"`
	MaxIdle              int          `yaml:"max_idle_connections"`
	Optional             bool         `yaml:"optional"`
}

type fileHealth struct {
	Path     string        `yaml:"path"`
	Interval time.Duration `yaml:"interval"`
}

type fileTimeouts struct {
	Connect *time.Duration `yaml:"connect"`
	Header  *time.Duration `yaml:"header"`
	Idle    *time.Duration `yaml:"idle"`
}

type fileRoute struct {
	Name     string        `yaml:"name"`
	Match    fileMatch     `yaml:"match"`
	Filters  []string      `yaml:"filters"`
	Require  *fileRequire  `yaml:"require"`
	Body     *fileBody     `yaml:"body"`
	Upstream string        `yaml:"upstream"`
	Respond  *fileRespond  `yaml:"respond"`
	Timeout  time.Duration `yaml:"timeout"`
}

type fileMatch struct {
	Path    string   `yaml:"path"`
	Methods []string `yaml:"methods"`
	Host    string   `yaml:"host"`
}

type fileRequire struct {
	Scopes        []string `yaml:"scopes"`
	Roles         []string `yaml:"roles"`
	Authenticated bool     `yaml:"authenticated"`
}

type fileBody struct {
	Max          *kit.Bytes `yaml:"max"`
	Schema       string     `yaml:"schema"`
	ContentTypes []string   `yaml:"content_types"`
}

type fileRespond struct {
	Status      int    `yaml:"status"`
	Body        string `yaml:"body"`
	ContentType string `yaml:"content_type"`
}
