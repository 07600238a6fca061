package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/proxy"
	"gatehouse.example/gateway/reload"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
)

// statusClientClosed is what log and metrics show where the client hung up;
// nobody gets it.
const statusClientClosed = 499

// answer makes p the response. Fields that were set for this answer before,
// such as a challenge, stay.
func answer(ex *exchange.Exchange, p *problem.Problem) {
	resp := &ex.Response
	resp.Status = p.Status
	resp.Header.Set("Content-Type", problem.ContentType)
	resp.Header.Set("Cache-Control", "no-store")
	resp.Header.Set("X-Content-Type-Options", "nosniff")
	resp.Body.SetBytes(problem.JSON(p))
}

// startOver forgets a response that cannot be used.
func startOver(ex *exchange.Exchange) {
	ex.Response.Body.Close()
	ex.Response.Header.Reset()
	ex.Response.Trailer.Reset()
	ex.Response.TrailerNames = ""
	ex.Response.Body = exchange.Body{}
	ex.Response.Status = 0
}

func respond(ex *exchange.Exchange, r *config.Respond) {
	if r.Body == "" && r.Status >= http.StatusBadRequest {
		detail := ""
		if r.Status == http.StatusNotFound {
			detail = "there is nothing at this path"
		}
		answer(ex, problem.New(r.Status, code(r.Status), detail))
		return
	}
	ex.Response.Status = r.Status
	if r.Body != "" {
		ex.Response.Header.Set("Content-Type", r.ContentType)
		ex.Response.Body.SetBytes([]byte(r.Body))
	}
}

// code makes "not_found" of 404.
func code(status int) string {
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// builtIn answers the gateway's own paths.
func (p *pipeline) builtIn(ex *exchange.Exchange) bool {
	r := &ex.Request
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.Path {
	case "/healthz":
		ex.Route = "healthz"
		answerJSON(ex, http.StatusOK, `{"status":"ok"}`)
	case "/readyz":
		ex.Route = "readyz"
		if err := p.app.Ready(ex.Context()); err != nil {
			answer(ex, problem.New(http.StatusServiceUnavailable, "not_ready", err.Error()))
			break
		}
		answerJSON(ex, http.StatusOK, `{"status":"ready"}`)
	default:
		return false
	}
	return true
}

func answerJSON(ex *exchange.Exchange, status int, body string) {
	ex.Response.Status = status
	ex.Response.Header.Set("Content-Type", "application/json")
	ex.Response.Header.Set("Cache-Control", "no-store")
	ex.Response.Body.SetBytes([]byte(body + "\n"))
}

const frontPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Gatehouse</title>
<h1>Gatehouse</h1>
<p>This is the front door. You may want to:</p>
<ul>
<li><a href="/login">sign in</a>
<li><a href="/register">create an account</a>
<li>build on it: <a href="/.well-known/openid-configuration">OpenID configuration</a>,
<a href="/v1/openapi.json">API description</a>
</ul>
</html>
`

// noRoute answers what no route matches.
func (p *pipeline) noRoute(ex *exchange.Exchange, s *reload.Snapshot) {
	r := &ex.Request
	if r.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		ex.Route = "front-page"
		ex.Response.Status = http.StatusOK
		ex.Response.Header.Set("Content-Type", "text/html; charset=utf-8")
		ex.Response.Header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		ex.Response.Header.Set("X-Content-Type-Options", "nosniff")
		ex.Response.Body.SetBytes([]byte(frontPage))
		return
	}
	if methods := s.Router.Allowed(r.HostName(), r.Path); len(methods) > 0 {
		ex.Response.Header.Set("Allow", strings.Join(methods, ", "))
		answer(ex, problem.Newf(http.StatusMethodNotAllowed, "method_not_allowed", "this path takes %s", strings.Join(methods, ", ")))
		return
	}
	answer(ex, problem.New(http.StatusNotFound, "not_found", "there is nothing at this path"))
}

func (p *pipeline) filterSkipped(err error) {
	p.countFilter(err)
	// Whoever can make a filter fail could fill the log: the filter's host says
	// why, once a second.
	p.app.options.Logger.Debug("filter failed and was skipped", slog.String("error", err.Error()))
}

func (p *pipeline) filterFailed(ex *exchange.Exchange, err error) {
	startOver(ex)
	if ex.Context().Err() != nil {
		gone(ex)
		return
	}
	if errors.Is(err, exchange.ErrResponseBroken) {
		p.upstreamFailed(ex, err)
		return
	}
	p.countFilter(err)
	p.app.options.Logger.Debug("filter failed", slog.String("error", err.Error()), slog.String("request_id", ex.RequestID))
	if f, ok := errors.AsType[*filter.FailedError](err); ok && f.Phase == "request" && errors.Is(err, exchange.ErrBodyTooLarge) {
		answer(ex, problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than a filter of this path takes"))
		return
	}
	answer(ex, problem.New(http.StatusServiceUnavailable, "filter_failed", "a part of the gateway failed; try again"))
}

func (p *pipeline) countFilter(err error) {
	if f, ok := errors.AsType[*filter.FailedError](err); ok {
		p.metrics.filterFailures.WithLabelValues(f.Filter, f.Phase).Inc()
	}
}

// upstreamFailed is the one table of the proxy's errors.
func (p *pipeline) upstreamFailed(ex *exchange.Exchange, err error) {
	startOver(ex)
	switch {
	case errors.Is(err, context.Canceled):
		gone(ex)
		return
	case errors.Is(err, exchange.ErrBodyTooLarge):
		answer(ex, problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than this path allows"))
		return
	case errors.Is(err, proxy.ErrCredential):
		ex.Response.Header.Set("WWW-Authenticate", p.challenge.invalid)
		answer(ex, problem.New(http.StatusUnauthorized, "credential_expired", "the credential has expired"))
		return
	case errors.Is(err, identity.ErrForeign):
		answer(ex, problem.New(http.StatusForbidden, "foreign_principal", "this service takes only tokens of its own issuer"))
		return
	case errors.Is(err, proxy.ErrTimeout):
		answer(ex, problem.New(http.StatusGatewayTimeout, "upstream_timeout", "the service did not answer in time"))
	case errors.Is(err, proxy.ErrRequest):
		answer(ex, problem.New(http.StatusBadRequest, "request_incomplete", "the request could not be passed on"))
	case errors.Is(err, proxy.ErrUnreachable):
		answer(ex, problem.New(http.StatusBadGateway, "upstream_unreachable", "the service cannot be reached"))
	case errors.Is(err, proxy.ErrAnswer), errors.Is(err, exchange.ErrResponseBroken):
		answer(ex, problem.New(http.StatusBadGateway, "upstream_broken", "the service's answer broke off or was not understood"))
	default:
		answer(ex, problem.New(http.StatusBadGateway, "upstream_failed", "the request could not be passed on"))
	}
	p.app.options.Logger.Warn("upstream failed", slog.String("route", ex.Route),
		slog.String("request_id", ex.RequestID), slog.String("error", err.Error()))
}

// gone answers nobody.
func gone(ex *exchange.Exchange) {
	ex.Response.Status, ex.Response.Close = statusClientClosed, true
}
