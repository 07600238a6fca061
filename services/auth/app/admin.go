package app

import (
	"context"
	"log/slog"
	"net/http"

	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/services/auth/apikeys"
	"gatehouse.example/services/auth/audit"
	"gatehouse.example/services/auth/clients"
	"gatehouse.example/services/auth/postgres"
)

// addRecords makes what keeps records and what is noted beside the answers.
func (p *parts) addRecords(o Options) (err error) {
	p.audit = postgres.NewAudit(o.DB)
	p.usage = apikeys.NewUsage(p.apiKeys, o.Logger, o.Now)
	recorder := audit.RecorderOptions{Store: p.audit, Logger: o.Logger, Registry: o.Registry}
	if o.Bus != nil {
		recorder.Publish = o.Bus.Publish
	}
	if p.recorder, err = audit.NewRecorder(recorder); err != nil {
		return err
	}
	p.denials = refusals.New(refusals.Options{Service: "auth", Recorder: p.recorder, Logger: o.Logger, Now: o.Now})
	return nil
}

// adminAPI is clients, API keys and the audit log.
func (rt *router) adminAPI(o Options, p *parts) {
	clientAPI := clients.New(clients.Options{Store: p.clientStore, Ender: p.endings, Keys: p.apiKeys, Changed: changed(o), Now: o.Now})
	rt.authenticated("/v1/clients", methods{http.MethodGet: http.HandlerFunc(clientAPI.List), http.MethodPost: http.HandlerFunc(clientAPI.Create)})
	rt.authenticated("/v1/clients/{id}", methods{
		http.MethodGet: http.HandlerFunc(clientAPI.Read), http.MethodPatch: http.HandlerFunc(clientAPI.Update), http.MethodDelete: http.HandlerFunc(clientAPI.Delete),
	})
	rt.authenticated("/v1/clients/{id}/rotate", methods{http.MethodPost: http.HandlerFunc(clientAPI.Rotate)})
	keyAPI := apikeys.New(apikeys.Options{
		Store: p.apiKeys, Ender: p.endings, Accounts: o.Users, Environment: o.Environment, Changed: changed(o), Now: o.Now,
	})
	rt.authenticated("/v1/api-keys", methods{http.MethodGet: http.HandlerFunc(keyAPI.List), http.MethodPost: http.HandlerFunc(keyAPI.Create)})
	rt.authenticated("/v1/api-keys/{id}", methods{
		http.MethodGet: http.HandlerFunc(keyAPI.Read), http.MethodPatch: http.HandlerFunc(keyAPI.Update), http.MethodDelete: http.HandlerFunc(keyAPI.Delete),
	})
	rt.authenticated("/v1/api-keys/{id}/rotate", methods{http.MethodPost: http.HandlerFunc(keyAPI.Rotate)})
	auditAPI := audit.New(p.audit)
	rt.authenticated("/v1/audit", methods{http.MethodGet: http.HandlerFunc(auditAPI.List)})
	rt.authenticated("/v1/audit/{id}", methods{http.MethodGet: http.HandlerFunc(auditAPI.Read)})
}

func verifyKey(o Options, p *parts) http.Handler {
	return apikeys.VerifyHandler(apikeys.VerifyOptions{
		Keys: p.apiKeys, Clients: p.clients, Accounts: o.Users, Environment: o.Environment, Used: p.usage.Used, Now: o.Now,
	})
}

// changed returns what tells gateways that they may remember something of a
// user or client that is no longer so. It is told after the commit and may get
// lost: what has to end at once is on the list of revocations.
func changed(o Options) func(ctx context.Context, kind, id string) {
	return func(ctx context.Context, kind, id string) {
		if o.Bus == nil {
			return
		}
		if err := o.Bus.Notify(ctx, event.NoticePrincipal(kind, id), []byte(kind+" "+id)); err != nil {
			o.Logger.WarnContext(ctx, "notice of a changed principal", slog.Any("error", err))
		}
	}
}

// followAudit keeps the audit records of all services.
func (a *App) followAudit(ctx context.Context) error {
	return a.options.Bus.Consume(ctx, bus.Consumer{
		Name: "auth-audit", Types: []string{event.TypeAuditRecorded},
		Handle: audit.Keep(a.parts.audit), MaxAckPending: 16, Logger: a.options.Logger,
	})
}
