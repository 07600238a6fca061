package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/services/auth/apikeys"
)

func newAPIKey() *cobra.Command {
	return group("apikey", "Manage API keys", "  gatehouse apikey create --name ci --scope users:read",
		newAPIKeyCreate(), newAPIKeyList(), newAPIKeyRotate(), newAPIKeyRevoke())
}

func newAPIKeyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an API key of the client that this command signs in as",
		Long: "The key is printed once and stored nowhere. It allows the scopes as long as the client may have them;\n" +
			"the client of `gatehouse dev` lives in its bootstrap.json.",
		Example: "  gatehouse apikey create --name ci --scope users:read --expires-in 720h\n" +
			"  gatehouse apikey create --name ci --scope users:read,users:write --output json",
		Args: noArguments,
	}
	name := cmd.Flags().String("name", "", "name to know the key by (required)")
	scopes := cmd.Flags().StringSlice("scope", nil, "what the key allows (required, repeatable)")
	expires := cmd.Flags().Duration("expires-in", 0, "end of the key, from now on (default: none)")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case *name == "":
			return usagef(cmd, "--name is missing")
		case len(*scopes) == 0:
			return usagef(cmd, "--scope is missing")
		case *expires < 0:
			return usagef(cmd, "--expires-in must not be negative")
		}
		in := map[string]any{"name": *name, "scopes": *scopes}
		if *expires > 0 {
			in["expires_at"] = time.Now().Add(*expires).UTC().Format(time.RFC3339)
		}
		var made apikeys.View
		return apiKeyChange(cmd, *out, http.MethodPost, "/v1/api-keys", in, &made)
	}
	return cmd
}

func newAPIKeyRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an API key another secret",
		Long: "The new key is printed once and stored nowhere. The old one works until the overlap ends; without\n" +
			"overlap it ends now.",
		Example: "  gatehouse apikey rotate 0199d3a5-0000-7000-8000-000000000001 --overlap 24h",
		Args:    oneArgument("the key's id"),
	}
	overlap := cmd.Flags().Duration("overlap", 0, "how long the old key still works, up to 168h")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *overlap < 0 || *overlap%time.Second != 0 {
			return usagef(cmd, "--overlap must be whole seconds, such as 24h")
		}
		var made apikeys.View
		in := map[string]any{"overlap_seconds": int64(*overlap / time.Second)}
		return apiKeyChange(cmd, *out, http.MethodPost, "/v1/api-keys/"+url.PathEscape(args[0])+"/rotate", in, &made)
	}
	return cmd
}

// apiKeyChange sends the change and prints the key that it answers.
func apiKeyChange(cmd *cobra.Command, out output, method, path string, in any, made *apikeys.View) error {
	r, err := newRemote(cmd)
	if err != nil {
		return err
	}
	if err := r.call(cmd.Context(), method, path, in, made); err != nil {
		return err
	}
	if out == outputJSON {
		return printJSON(cmd.OutOrStdout(), made)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "id   %s\nkey  %s\n", made.ID, made.Key)
	return err
}

func newAPIKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List API keys",
		Long:  "Without --owner they are those of the client that this command signs in as.",
		Example: "  gatehouse apikey list\n" +
			"  gatehouse apikey list --owner 0199d3a5-0000-7000-8000-000000000001 --output json",
		Args: noArguments,
	}
	owner := cmd.Flags().String("owner", "", "id of the user, or of the client with --owner-kind client")
	kind := cmd.Flags().String("owner-kind", "user", "what --owner is: user or client")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *kind != "user" && *kind != "client" {
			return usagef(cmd, "--owner-kind must be user or client")
		}
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		query := url.Values{}
		if *owner != "" {
			query.Set("owner_id", *owner)
			query.Set("owner_kind", *kind)
		}
		found, err := list[apikeys.View](cmd.Context(), r, "/v1/api-keys", query, 0)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		rows := make([][]string, len(found.Items))
		for i, k := range found.Items {
			rows[i] = []string{k.ID, k.Name, strings.Join(k.Scopes, " "), when(k.ExpiresAt, "never"), when(k.LastUsedAt, "never")}
		}
		return printTable(cmd.OutOrStdout(), []string{"ID", "NAME", "SCOPES", "EXPIRES", "LAST USED"}, rows)
	}
	return cmd
}

func newAPIKeyRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID...",
		Short:   "Revoke API keys: gateways refuse them within a second",
		Example: "  gatehouse apikey revoke 0199d3a5-0000-7000-8000-000000000001",
		Args:    atLeastOne("the id of a key"),
	}
	addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		for _, id := range args {
			if err := r.call(cmd.Context(), http.MethodDelete, "/v1/api-keys/"+url.PathEscape(id), nil, nil); err != nil {
				return fmt.Errorf("revoke API key %s: %w", strconv.Quote(id), err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "revoked  %s\n", printable(id))
		}
		return nil
	}
	return cmd
}

// when prints a time that may be missing.
func when(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return t.UTC().Format(time.RFC3339)
}

// oneArgument takes exactly one argument.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usagef(cmd, "want one argument: %s", what)
		}
		return nil
	}
}

// atLeastOne takes one argument or more.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for _, a := range args {
			if a == "" {
				return usagef(cmd, "an argument is empty: want %s", what)
			}
		}
		if len(args) == 0 {
			return usagef(cmd, "want an argument: %s", what)
		}
		return nil
	}
}
