package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/database/localpg"
)

// natsVariable makes the test binary a NATS server: a process of its own can be
// killed as a real one can.
const natsVariable = "E2E_NATS"

// serveNATS runs until its standard input ends, which it does with the test.
func serveNATS(where string) int {
	listen, dir, _ := strings.Cut(where, " ")
	server, err := embedded.Start(embedded.Options{Dir: dir, SyncAlways: true, Listen: listen, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(server.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	return 0
}

// natsServer is NATS in a process of its own.
type natsServer struct {
	listen, dir, url string
	cmd              *exec.Cmd
	stdin            io.Closer
}

func (n *natsServer) start(t testing.TB) {
	t.Helper()
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = append(os.Environ(), natsVariable+"="+n.listen+" "+n.dir)
	n.cmd.Stderr = os.Stderr
	stdin, err := n.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.stdin = stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("NATS does not start: %v", err)
	}
	n.url = strings.TrimSpace(line)
}

func (n *natsServer) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

func (n *natsServer) stop() {
	_ = n.stdin.Close()
	_ = n.cmd.Wait()
}

// balancer spreads connections over addresses, as what stands before replicas
// does; one that takes none is passed over.
type balancer struct {
	net.Listener
	backends []string
	next     atomic.Uint64
	open     sync.WaitGroup
}

func newBalancer(t testing.TB, backends []string) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: ln, backends: backends}
	go b.run()
	t.Cleanup(func() { _ = ln.Close(); b.open.Wait() })
	return b
}

func (b *balancer) run() {
	for {
		in, err := b.Accept()
		if err != nil {
			return
		}
		b.open.Go(func() { b.carry(in) })
	}
}

func (b *balancer) carry(in net.Conn) {
	defer in.Close()
	first := b.next.Add(1)
	for i := range b.backends {
		out, err := net.DialTimeout("tcp", b.backends[(first+uint64(i))%uint64(len(b.backends))], time.Second)
		if err != nil {
			continue
		}
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		both.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
		both.Wait()
		return
	}
}

// cluster is an installation of processes: each part as often as asked, behind
// balancers, on one PostgreSQL and one NATS.
type cluster struct {
	*installation
	t        *testing.T
	pg       *localpg.Server
	nats     *natsServer
	env      []string
	file     string // gatehouse.yaml
	program  string
	replicas int
	listen   map[string]string // "auth 0" → address
	mu       sync.Mutex
	running  map[string]*process
}

// services are the parts that have replicas, in the order of their start.
var services = []string{"user", "auth", "email", "graph", "gateway"}

// newCluster starts every part of the program replicas times. settings are lines of
// gatehouse.yaml.
func newCluster(t *testing.T, program string, replicas int, settings string) *cluster {
	t.Helper()
	data := dataFolder(t)
	base := filepath.Dir(data)
	c := &cluster{t: t, program: program, replicas: replicas, listen: map[string]string{}, running: map[string]*process{}}
	cluster := filepath.Join(base, "pg")
	if err := os.Mkdir(cluster, 0o711); err != nil { // PostgreSQL's user passes through
		t.Fatal(err)
	}
	var err error
	if c.pg, err = localpg.Start(t.Context(), localpg.Options{Dir: cluster, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.pg.Stop(t.Context()) })
	c.nats = &natsServer{listen: freePort(t), dir: filepath.Join(base, "nats")}
	c.nats.start(t)
	t.Cleanup(c.nats.stop)

	fronts := map[string]string{}
	for _, part := range services {
		backends := make([]string, replicas)
		for i := range replicas {
			backends[i] = freePort(t)
			c.listen[replica(part, i)] = backends[i]
		}
		fronts[part] = newBalancer(t, backends).Addr().String()
	}
	_, port, _ := cutLast(fronts["gateway"], ":")
	c.installation = &installation{data: data, issuer: "http://localhost:" + port}
	c.file = filepath.Join(base, "gatehouse.yaml")
	text := fmt.Sprintf("data: %s\nissuer: %s\ngateway: {file: %s}\n%s", data, c.issuer, plainGateway(t), settings)
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = environment(
		"GATEHOUSE_DATABASE__URL="+c.pg.AdminURL(), "GATEHOUSE_BUS__URL="+c.nats.url,
		"GATEHOUSE_EMAIL__TEMPLATES="+filepath.Join(repository, "configs", "templates"),
		"GATEHOUSE_AUTH__ADDRESS="+fronts["auth"], "GATEHOUSE_USER__ADDRESS="+fronts["user"],
		"GATEHOUSE_EMAIL__ADDRESS="+fronts["email"], "GATEHOUSE_GRAPH__ADDRESS="+fronts["graph"],
	)
	c.run(append([]string{"cert", "issue"}, services...)...)
	c.run("migrate", "up")
	c.makeAdmin()
	for _, part := range services {
		for i := range replicas {
			c.start(part, i)
		}
	}
	c.awaitReady()
	return c
}

func replica(part string, i int) string { return part + " " + strconv.Itoa(i) }

// run runs a command to its end.
func (c *cluster) run(args ...string) string {
	c.t.Helper()
	stdout, stderr, exit := command(c.t, c.env, append(args, "--config", c.file)...)
	if exit != 0 {
		c.t.Fatalf("gatehouse %v: %d %s", args, exit, stderr)
	}
	return stdout
}

// makeAdmin registers the client that scripts act as, as "dev" has one.
func (c *cluster) makeAdmin() {
	c.t.Helper()
	var made struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	text := c.run("client", "create", "--direct", "--admin", "--grant", "client_credentials", "--name", "e2e", "--type", "confidential", "--output", "json")
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		c.t.Fatalf("%v in %s", err, text)
	}
	c.clientID, c.clientSecret = made.ClientID, made.ClientSecret
}

// start starts one replica.
func (c *cluster) start(part string, i int) {
	c.t.Helper()
	name := replica(part, i)
	args := []string{part, "--listen", c.listen[name], "--config", c.file}
	env := slices.Clone(c.env)
	if part == "gateway" {
		args[1] = "--http"
		env = append(env, "GATEHOUSE_GATEWAY__ADMIN_LISTEN=127.0.0.1:0", "GATEHOUSE_GATEWAY__ADMIN_SOCKET=admin"+strconv.Itoa(i)+".sock")
	}
	p := launchBuild(c.t, c.program, env, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[name] = p
}

// kill ends a replica without a warning.
func (c *cluster) kill(part string, i int) {
	c.t.Helper()
	c.mu.Lock()
	p := c.running[replica(part, i)]
	c.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// awaitReady waits until each gateway is ready.
func (c *cluster) awaitReady() {
	c.t.Helper()
	for i := range c.replicas {
		await(c.t, 120*time.Second, "gateway "+strconv.Itoa(i)+" is ready", func() error {
			if err := c.alive(); err != nil {
				c.t.Fatal(err)
			}
			res, err := http.Get("http://" + c.listen[replica("gateway", i)] + "/readyz")
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return errors.New(res.Status)
			}
			return nil
		})
	}
}

// alive reports a replica that ended by itself.
func (c *cluster) alive() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, p := range c.running {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", name, p.err, p.output)
		default:
		}
	}
	return nil
}

// killPostgres kills the server's processes; it is started again by what
// supervises it.
func (c *cluster) killPostgres() {
	c.t.Helper()
	killed := 0
	for _, pid := range children(c.t, os.Getpid(), "postgres") {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed == 0 {
		c.t.Error("no PostgreSQL process found")
	}
}
