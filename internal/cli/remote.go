package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
)

// remote calls a running installation through its gateway, as a client that an
// administrator marked or as the bootstrap client of "gatehouse dev".
type remote struct {
	issuer, clientID, clientSecret string
	http                           *http.Client
}

// bootstrapFile is what "gatehouse dev" leaves for scripts and for this CLI.
type bootstrapFile struct {
	Issuer        string `json:"issuer"`
	AdminSetupURL string `json:"admin_setup_url"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`
}

// addRemote adds the flags that say which installation is meant and as whom.
func addRemote(cmd *cobra.Command) {
	cmd.Flags().String("data", "", "data folder of a running 'gatehouse dev', whose bootstrap.json is used")
	cmd.Flags().String("issuer", "", "address of the installation, instead of bootstrap.json")
	cmd.Flags().String("client-id", "", "client with scope admin, instead of bootstrap.json")
	cmd.Flags().String("client-secret-file", "", "file that holds the client's secret")
}

func newRemote(cmd *cobra.Command) (*remote, error) {
	cfg, err := loadConfig(cmd, settings{"data": "data"})
	if err != nil {
		return nil, err
	}
	r := &remote{http: &http.Client{Timeout: 30 * time.Second}}
	if err := trustAuthority(r.http, cfg.ResolveData(cfg.TLS.CA)); err != nil {
		return nil, err
	}
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	if id := flag("client-id"); id != "" {
		if flag("issuer") == "" || flag("client-secret-file") == "" {
			return nil, usagef(cmd, "--client-id needs --issuer and --client-secret-file")
		}
		secret, err := os.ReadFile(flag("client-secret-file"))
		if err != nil {
			return nil, err
		}
		r.issuer, r.clientID, r.clientSecret = flag("issuer"), id, strings.TrimSpace(string(secret))
		return r, nil
	}
	file := filepath.Join(cfg.Data, "bootstrap.json")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: start `gatehouse dev`, name its folder with --data, or use --issuer, --client-id and --client-secret-file", file)
	}
	if err != nil {
		return nil, err
	}
	var b bootstrapFile
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): start `gatehouse dev` again, which makes it anew", file, err)
	}
	r.issuer, r.clientID, r.clientSecret = b.Issuer, b.ClientID, b.ClientSecret
	if is := flag("issuer"); is != "" {
		r.issuer = is
	}
	return r, nil
}

// trustAuthority adds the internal authority, which signs the https
// certificate of "gatehouse dev", to those that c trusts.
func trustAuthority(c *http.Client, file string) error {
	pem, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c.Transport = t
	return nil
}

// token asks for an access token by client_credentials (RFC 6749 §4.4).
func (r *remote) token(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"admin"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(r.clientID), url.QueryEscape(r.clientSecret))
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if _, err := r.send(req, &answer); err != nil {
		return "", fmt.Errorf("sign in as client %q: %w", r.clientID, err)
	}
	return answer.AccessToken, nil
}

// post sends in to path as JSON and reads the answer into out.
func (r *remote) post(ctx context.Context, path string, in, out any) error {
	return r.call(ctx, http.MethodPost, path, in, out)
}

// get reads the answer of path into out.
func (r *remote) get(ctx context.Context, path string, out any) error {
	return r.call(ctx, http.MethodGet, path, nil, out)
}

// call sends in to path as JSON and reads the answer into out. A nil in is no
// body; a nil out expects none.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	_, err := r.callIf(ctx, "", method, path, in, out)
	return err
}

// callIf is call for what has an ETag: unless tag is empty, the call fails with
// [errChanged] if the resource has another by now. It returns the answer's.
func (r *remote) callIf(ctx context.Context, tag, method, path string, in, out any) (string, error) {
	token, err := r.token(ctx)
	if err != nil {
		return "", err
	}
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return "", err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, r.issuer+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if tag != "" {
		req.Header.Set("If-Match", tag)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return r.send(req, out)
}

// errChanged is what [remote.callIf] returns when somebody else was faster.
var errChanged = errors.New("it was changed meanwhile")

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// send reads the answer into out and returns its ETag.
func (r *remote) send(req *http.Request, out any) (tag string, err error) {
	res, err := r.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: is Gatehouse running there?", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	switch {
	case res.StatusCode == http.StatusPreconditionFailed:
		return "", errChanged
	case res.StatusCode/100 != 2:
		return "", answerError(res.Status, body)
	case out != nil:
		err = json.Unmarshal(body, out)
	}
	return res.Header.Get("ETag"), err
}

// answerError turns an error answer, problem+json or RFC 6749 §5.2, into one line.
func answerError(status string, body []byte) error {
	var p struct {
		Detail      string              `json:"detail"`
		Error       string              `json:"error"`
		Description string              `json:"error_description"`
		Errors      []problem.Violation `json:"errors"`
	}
	_ = json.Unmarshal(body, &p)
	text := status
	for _, part := range []string{p.Error, p.Description, p.Detail} {
		if part != "" {
			text += ": " + part
		}
	}
	for _, v := range p.Errors {
		text += fmt.Sprintf("; %s %s", v.Place(), v.Detail)
	}
	return errors.New(text)
}

// list reads pages until there are as many items as wanted; 0 wants all.
func list[T any](ctx context.Context, r *remote, path string, query url.Values, wanted int) (jsonhttp.List[T], error) {
	all := jsonhttp.List[T]{Items: []T{}}
	for {
		size := jsonhttp.MaxLimit
		if wanted > 0 {
			size = min(size, wanted-len(all.Items))
		}
		query.Set("limit", strconv.Itoa(size))
		var page jsonhttp.List[T]
		if err := r.get(ctx, path+"?"+query.Encode(), &page); err != nil {
			return all, err
		}
		all.Items, all.NextCursor = append(all.Items, page.Items...), page.NextCursor
		if page.NextCursor == nil || wanted > 0 && len(all.Items) >= wanted {
			return all, nil
		}
		query.Set("cursor", *page.NextCursor)
	}
}
