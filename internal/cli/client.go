package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth/clients"
)

// newClientRequest is the body of POST /v1/clients.
type newClientRequest struct {
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	GrantTypes   []string `json:"grant_types,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	AuthMethod   string   `json:"token_endpoint_auth_method,omitempty"`
	Admin        bool     `json:"admin,omitempty"`
}

func newClient() *cobra.Command {
	return group("client", "Manage OAuth clients", "  gatehouse client create --name shop --redirect-uri http://localhost:3000/callback",
		newClientCreate(), newClientList(), newClientUpdate(), newClientRotate(), newClientDelete())
}

func newClientCreate() *cobra.Command {
	var in newClientRequest
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Register an OAuth client with a running installation",
		Long: "A public client (an app in a browser or on a phone) has no secret and uses PKCE. A confidential one\n" +
			"(a server) gets a secret, which is printed once and stored nowhere.",
		Example: "  gatehouse client create --name shop --redirect-uri http://localhost:3000/callback\n" +
			"  gatehouse client create --name nightly --type confidential --grant client_credentials --scope users:read",
		Args: noArguments,
	}
	f := cmd.Flags()
	f.StringVar(&in.Name, "name", "", "name that people see (required)")
	f.StringVar(&in.Type, "type", "public", "public or confidential")
	f.StringArrayVar(&in.RedirectURIs, "redirect-uri", nil, "exact redirect URI (repeatable)")
	f.StringSliceVar(&in.GrantTypes, "grant", nil, "grant types (default: authorization_code,refresh_token)")
	f.StringSliceVar(&in.Scopes, "scope", nil, "scopes the client may ask for (default: the standard ones)")
	f.StringVar(&in.AuthMethod, "auth-method", "", "none, client_secret_basic or client_secret_post (default: by type)")
	f.BoolVar(&in.Admin, "admin", false, "let the client have the scope admin by client_credentials")
	direct := f.Bool("direct", false, "write to auth's database (auth.database_url or database.url): for the first client of an installation")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Name == "" {
			return usagef(cmd, "--name is missing")
		}
		made, err := in.create(cmd, *direct)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), made)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "client_id      %v\n", made["client_id"])
		if secret, ok := made["client_secret"]; ok && secret != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "client_secret  %v\n", secret)
		}
		return nil
	}
	return cmd
}

// create registers the client through the API, or in auth's database.
func (in newClientRequest) create(cmd *cobra.Command, direct bool) (made map[string]any, err error) {
	if !direct {
		r, err := newRemote(cmd)
		if err != nil {
			return nil, err
		}
		err = r.post(cmd.Context(), "/v1/clients", in, &made)
		return made, err
	}
	cfg, err := loadConfig(cmd, settings{"data": "data"})
	if err != nil {
		return nil, err
	}
	// The same body that the API takes, so that the same checks apply.
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var registration clients.Registration
	if err := json.Unmarshal(text, &registration); err != nil {
		return nil, err
	}
	view, err := stack.RegisterClient(cmd.Context(), cfg, registration)
	if err != nil {
		return nil, problemLine(err)
	}
	if text, err = json.Marshal(view); err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &made)
	return made, err
}

// problemLine turns a problem with its violations into one line.
func problemLine(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return err
	}
	return answerError(http.StatusText(p.Status), problem.JSON(p))
}
