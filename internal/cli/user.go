package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// newUser runs the user service alone, or manages people with a subcommand.
func newUser() *cobra.Command {
	cmd := newServe("user", "Run the user service alone, or manage people with a subcommand")
	cmd.Example += "\n  gatehouse user create --email ada@example.com"
	cmd.Args = noCommand
	cmd.AddCommand(newUserCreate(), newUserGrant())
	return cmd
}

func newUserCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Create a person in a running installation",
		Long:    "The person has no password yet and can't sign in until it has set one.",
		Example: "  gatehouse user create --email ada@example.com --username ada --output json",
		Args:    noArguments,
	}
	email := cmd.Flags().String("email", "", "email address (required)")
	username := cmd.Flags().String("username", "", "name to sign in with, besides the address")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *email == "" {
			return usagef(cmd, "--email is missing")
		}
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		in := map[string]string{"email": *email}
		if *username != "" {
			in["username"] = *username
		}
		var made map[string]any
		if err := r.post(cmd.Context(), "/v1/users", in, &made); err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), made)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "id      %v\nemail   %v\nstatus  %v\n", made["id"], made["email"], made["status"])
		return err
	}
	return cmd
}

// assignedRoles is the answer of /v1/users/{id}/roles.
type assignedRoles struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func newUserGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Give a person of a running installation a role, or take it back",
		Long: "It counts from the person's next request on. Giving what the person has already, or taking what it\n" +
			"does not have, does nothing.",
		Example: "  gatehouse user grant --user ada@example.com --role admin\n" +
			"  gatehouse user grant --user ada@example.com --role admin --revoke --output json",
		Args: noArguments,
	}
	who := cmd.Flags().String("user", "", "email address or id of the person (required)")
	roles := cmd.Flags().StringSlice("role", nil, "role to give (required, repeatable)")
	revoke := cmd.Flags().Bool("revoke", false, "take the role back instead")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case *who == "":
			return usagef(cmd, "--user is missing")
		case len(*roles) == 0:
			return usagef(cmd, "--role is missing")
		}
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		id, err := r.userID(cmd.Context(), *who)
		if err != nil {
			return err
		}
		now, err := r.changeRoles(cmd.Context(), id, *roles, *revoke)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"id": id, "roles": now.Roles, "permissions": now.Permissions})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "id           %s\nroles        %s\npermissions  %s\n",
			id, strings.Join(now.Roles, " "), strings.Join(now.Permissions, " "))
		return err
	}
	return cmd
}

// userID returns the id of the user with that address or id.
func (r *remote) userID(ctx context.Context, who string) (string, error) {
	if id, err := uuid.Parse(who); err == nil {
		return id.String(), nil
	}
	var page struct {
		Items []struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"items"`
	}
	// The list goes by the start of an address: the whole one comes first.
	query := url.Values{"email": {who}, "sort": {"email"}, "limit": {"10"}}
	if err := r.get(ctx, "/v1/users?"+query.Encode(), &page); err != nil {
		return "", err
	}
	for _, u := range page.Items {
		if strings.EqualFold(u.Email, who) {
			return u.ID, nil
		}
	}
	return "", fmt.Errorf("there is no user with the address or id %q", who)
}

// changeRoles gives or takes roles. Roles are assigned all at once: if somebody
// else assigns some meanwhile, it begins again.
func (r *remote) changeRoles(ctx context.Context, id string, roles []string, revoke bool) (assignedRoles, error) {
	const attempts = 5
	path := "/v1/users/" + id + "/roles"
	var now assignedRoles
	var err error
	for range attempts {
		var tag string
		if tag, err = r.callIf(ctx, "", http.MethodGet, path, nil, &now); err != nil {
			return now, err
		}
		wanted := slices.DeleteFunc(slices.Clone(now.Roles), func(has string) bool { return slices.Contains(roles, has) })
		if !revoke {
			wanted = append(wanted, roles...)
		}
		_, err = r.callIf(ctx, tag, http.MethodPut, path, map[string][]string{"roles": wanted}, &now)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return now, err
}
