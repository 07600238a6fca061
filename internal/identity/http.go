package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/problem"
)

type peerKey struct{}

// WithPeer returns a context that says which service the request came from.
// [Authenticate] does this for a connection with mutual TLS.
func WithPeer(ctx context.Context, service string) context.Context {
	return context.WithValue(ctx, peerKey{}, service)
}

// Peer returns the name of the service at the other end of the connection,
// such as "gateway"; "" if it did not prove who it is.
func Peer(ctx context.Context) string {
	service, _ := ctx.Value(peerKey{}).(string)
	return service
}

// Authenticate puts the service behind the connection and the principal of the
// bearer token into the request's context. Without a token the principal is
// nobody; a token that does not count is answered by 401, and so is any other
// kind of credential: inside, there is only ours. A service's own token counts
// only from that service, so that a receiver cannot pass it on as its own.
func Authenticate(v *Verifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if r.TLS != nil {
				ctx = WithPeer(ctx, v.peer(r))
			}
			token, err := bearer(r)
			if err != nil {
				unauthorized(w, r, err)
				return
			}
			// Whatever an outer handler believed, the token decides.
			var p Principal
			if token != "" {
				if p, err = v.Verify(token); err != nil {
					unauthorized(w, r, err)
					return
				}
				if peer := Peer(ctx); p.Kind == KindService && peer != "" && peer != p.Subject {
					unauthorized(w, r, errors.New("internal token: it is another service's"))
					return
				}
			}
			next.ServeHTTP(w, r.WithContext(WithPrincipal(ctx, p)))
		})
	}
}

func (v *Verifier) peer(r *http.Request) string {
	id, err := mtls.PeerID(r.TLS)
	if err != nil {
		return ""
	}
	service, err := mtls.ServiceOf(id, v.trustDomain)
	if err != nil {
		return ""
	}
	return service
}

// bearer returns the bearer token (RFC 6750 §2.1), "" if there is no credential.
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errors.New("authorization is not one bearer token")
	}
	return token, nil
}

// unauthorized answers 401. The reason goes to the log alone: who guesses
// learns nothing.
func unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	slog.Default().WarnContext(r.Context(), "request refused", slog.String("path", r.URL.Path), slog.Any("error", err))
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	problem.Write(w, r, problem.New(http.StatusUnauthorized, "invalid_token", "The credential is not valid."))
}

// Table says which services may call an operation. What it does not list is
// denied. [Everyone] stands for any peer.
type Table map[string][]string

// Everyone in a table lets any peer call, even one that did not prove who it is.
const Everyone = "*"

// The operations that services offer to one another.
const (
	OperationEdge           = "edge"
	OperationHealth         = "health"
	OperationJWKS           = "auth.jwks"
	OperationChallengeLink  = "auth.challenges.link"
	OperationVerifyAPIKey   = "auth.api_keys.verify"
	OperationAccountsCreate = "user.accounts.create"
	OperationAccountsLookup = "user.accounts.lookup"
	OperationAccountsUpdate = "user.accounts.update"
)

// DefaultTable returns who calls whom in Gatehouse.
func DefaultTable() Table {
	return Table{
		// graph passes the caller's own internal token on.
		OperationEdge:           {gateway, "graph"},
		OperationHealth:         {Everyone},
		OperationJWKS:           {gateway, "user", "email"},
		OperationChallengeLink:  {"email"},
		OperationVerifyAPIKey:   {gateway},
		OperationAccountsCreate: {"auth"},
		OperationAccountsLookup: {"auth", "email"},
		OperationAccountsUpdate: {"auth"},
	}
}

// Permits reports whether the service may call the operation.
func (t Table) Permits(operation, service string) bool {
	allowed := t[operation]
	return slices.Contains(allowed, Everyone) || (service != "" && slices.Contains(allowed, service))
}

// Allow answers 403 unless t permits the peer the operation. It belongs inside
// [Authenticate].
func Allow(t Table, operation string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer := Peer(r.Context()); !t.Permits(operation, peer) {
			slog.Default().WarnContext(r.Context(), "operation denied", slog.String("operation", operation), slog.String("peer", peer))
			problem.Write(w, r, problem.Newf(http.StatusForbidden, "operation_denied", "The calling service may not call %s.", operation))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// RequireAuthenticated answers 401 unless the principal is somebody.
func RequireAuthenticated(next http.Handler) http.Handler {
	return require(next, func(p Principal) *problem.Problem { return nil })
}

// RequireUser answers 401 to nobody and 403 to a principal that is no user.
func RequireUser(next http.Handler) http.Handler {
	return require(next, func(p Principal) *problem.Problem {
		if p.Kind == KindUser {
			return nil
		}
		return problem.New(http.StatusForbidden, "user_required", "Only a signed-in user may do this.")
	})
}

// RequireScope answers 401 to nobody and 403 to a principal whose credential
// lacks the scope.
func RequireScope(scope string, next http.Handler) http.Handler {
	return require(next, func(p Principal) *problem.Problem {
		if p.HasScope(scope) {
			return nil
		}
		return problem.Newf(http.StatusForbidden, "insufficient_scope", "The scope %q is required.", scope)
	})
}

func require(next http.Handler, refuse func(Principal) *problem.Problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := PrincipalFrom(r.Context())
		if !p.Authenticated() {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem.Write(w, r, problem.New(http.StatusUnauthorized, "unauthenticated", "A credential is required."))
			return
		}
		if denied := refuse(p); denied != nil {
			problem.Write(w, r, denied)
			return
		}
		next.ServeHTTP(w, r)
	})
}
