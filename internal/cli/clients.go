package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse.example/services/auth/clients"
)

func newClientList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List OAuth clients",
		Example: "  gatehouse client list\n  gatehouse client list --output json",
		Args:    noArguments,
	}
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		found, err := list[clients.View](cmd.Context(), r, "/v1/clients", url.Values{}, 0)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		rows := make([][]string, len(found.Items))
		for i, c := range found.Items {
			rows[i] = []string{c.ClientID, c.Name, string(c.Type), strings.Join(c.Scopes, " "), strings.Join(c.RedirectURIs, " ")}
		}
		return printTable(cmd.OutOrStdout(), []string{"CLIENT_ID", "NAME", "TYPE", "SCOPES", "REDIRECT_URIS"}, rows)
	}
	return cmd
}

func newClientUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "update ID",
		Short:   "Change an OAuth client",
		Long:    "A list that is given replaces the one that there is.",
		Example: "  gatehouse client update 0199d3a5-0000-7000-8000-000000000001 --name shop --redirect-uri https://shop.example.com/callback",
		Args:    oneArgument("the client's id"),
	}
	name := cmd.Flags().String("name", "", "name that people see")
	redirects := cmd.Flags().StringArray("redirect-uri", nil, "exact redirect URI (repeatable)")
	scopes := cmd.Flags().StringSlice("scope", nil, "scopes the client may ask for")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		patch := map[string]any{}
		for flag, member := range map[string]struct {
			name  string
			value any
		}{
			"name": {"name", *name}, "redirect-uri": {"redirect_uris", *redirects}, "scope": {"scopes", *scopes},
		} {
			if cmd.Flags().Changed(flag) {
				patch[member.name] = member.value
			}
		}
		if len(patch) == 0 {
			return usagef(cmd, "there is nothing to change: give --name, --redirect-uri or --scope")
		}
		return clientChange(cmd, *out, http.MethodPatch, clientPath(args[0]), patch)
	}
	return cmd
}

func newClientRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an OAuth client another secret",
		Long: "The new secret is printed once and stored nowhere. The old one works until the overlap ends; without\n" +
			"overlap it ends now.",
		Example: "  gatehouse client rotate 0199d3a5-0000-7000-8000-000000000001 --overlap 24h",
		Args:    oneArgument("the client's id"),
	}
	overlap := cmd.Flags().Duration("overlap", 0, "how long the old secret still works, up to 168h")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *overlap < 0 || overlap.Seconds() != float64(int64(overlap.Seconds())) {
			return usagef(cmd, "--overlap must be whole seconds, such as 24h")
		}
		in := map[string]any{"overlap_seconds": int64(overlap.Seconds())}
		return clientChange(cmd, *out, http.MethodPost, clientPath(args[0])+"/rotate", in)
	}
	return cmd
}

func newClientDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete an OAuth client with everything that it was granted",
		Long:    "Its tokens and API keys end within a second.",
		Example: "  gatehouse client delete 0199d3a5-0000-7000-8000-000000000001",
		Args:    oneArgument("the client's id"),
	}
	addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		return r.call(cmd.Context(), http.MethodDelete, clientPath(args[0]), nil, nil)
	}
	return cmd
}

// clientChange sends the change and prints the client that it answers.
func clientChange(cmd *cobra.Command, out output, method, path string, in any) error {
	r, err := newRemote(cmd)
	if err != nil {
		return err
	}
	var changed clients.View
	if err := r.call(cmd.Context(), method, path, in, &changed); err != nil {
		return err
	}
	if out == outputJSON {
		return printJSON(cmd.OutOrStdout(), changed)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "client_id      %s\n", changed.ClientID)
	if changed.ClientSecret != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "client_secret  %s\n", changed.ClientSecret)
	}
	return nil
}

func clientPath(id string) string { return "/v1/clients/" + url.PathEscape(id) }
