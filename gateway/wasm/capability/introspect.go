package capability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/jose"
)

const (
	// introspectTimeout bounds one question, whoever waits for the answer.
	introspectTimeout = 5 * time.Second
	// maxQuestions bounds the questions under way at one endpoint: each token
	// that somebody makes up is one.
	maxQuestions = 32
	// After patienceFailures in a row the endpoint is left alone for a while,
	// from minPause doubling to maxPause.
	patienceFailures   = 3
	minPause, maxPause = 250 * time.Millisecond, 10 * time.Second
	// inactiveAge is how long an inactive token is remembered at most.
	inactiveAge = 5 * time.Second
	// maxOpaqueBytes bounds a token that is asked about.
	maxOpaqueBytes = 4 << 10
)

// errUnanswered: the endpoint gave no answer that says anything.
var errUnanswered = errors.New("introspection gave no answer")

// introspection is an endpoint as one policy uses it.
type introspection struct {
	*introspector
	cache           time.Duration
	allowNoAudience bool
}

// introspector asks an issuer whether tokens are active (RFC 7662). Policies
// share it.
type introspector struct {
	endpoint, clientID, secretFile string
	client                         *http.Client
	now                            func() time.Time
	asking                         singleflight.Group
	slots                          chan struct{}

	mu       sync.Mutex
	failures uint
	notUntil time.Time
}

func (r *policyReader) introspection(in *introspectionText) (*introspection, error) {
	if err := r.address("endpoint", in.Endpoint); err != nil {
		return nil, err
	}
	if in.ClientID == "" {
		return nil, errors.New("client_id: want the client that the gateway asks as (RFC 7662 §2.1)")
	}
	if in.ClientSecretFile == "" {
		return nil, errors.New("client_secret_file: want the file that holds the client's secret")
	}
	file, secret, err := r.file("client_secret_file", in.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(secret)) == "" {
		return nil, fmt.Errorf("client_secret_file: %s is empty", file)
	}
	i := &introspection{allowNoAudience: in.AllowNoAudience}
	if i.cache, err = duration("cache", in.Cache, defaultAskedIn, maxIntrospect); err != nil {
		return nil, err
	}
	v := r.v
	i.introspector = v.introspectors.get(in.Endpoint+"\x00"+in.ClientID+"\x00"+file, func() *introspector {
		return &introspector{
			endpoint: in.Endpoint, clientID: in.ClientID, secretFile: file,
			client: v.options.OperatorClient, now: v.options.Now, slots: make(chan struct{}, maxQuestions),
		}
	})
	return i, nil
}

// introspected is an answer in the terms of one policy.
type introspected struct {
	credential *Credential
	refusal    *Refusal
}

// introspect asks the issuer about a token and remembers the answer: a good
// one for the policy's time and never past the token's end, an inactive one
// for a few seconds.
func (v *TokenVerifier) introspect(ctx context.Context, p *TokenPolicy, i *tokenIssuer, token string, digest, entry [32]byte) (*Credential, *Refusal) {
	if len(token) > maxOpaqueBytes || !isB64Token(token) {
		return nil, &Refusal{filterv1.StatusInvalid, jose.ErrMalformed}
	}
	done, err := mayAsk(ctx)
	if err != nil {
		return nil, &Refusal{filterv1.StatusUnavailable, err}
	}
	asked := i.introspection.asking.DoChan(string(entry[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(v.ended, introspectTimeout)
		defer cancel()
		answer, err := i.introspection.ask(ctx, token)
		if err != nil {
			return introspected{refusal: &Refusal{filterv1.StatusUnavailable, err}}, nil
		}
		now := v.options.Now()
		c, refusal := i.judge(p, answer, digest, now)
		if refusal != nil {
			v.bad.put(entry, refusal, now.UnixNano(), now.Add(min(inactiveAge, i.introspection.cache)).UnixNano())
			return introspected{refusal: refusal}, nil
		}
		v.remember(entry, c, now, i.introspection.cache)
		return introspected{credential: c}, nil
	})
	select {
	case <-ctx.Done():
		// The question goes on, and counts as one.
		go func() { <-asked; done() }()
		return nil, &Refusal{filterv1.StatusUnavailable, fmt.Errorf("%w in time: %w", errUnanswered, ctx.Err())}
	case result := <-asked:
		done()
		answer := result.Val.(introspected)
		return answer.credential, answer.refusal
	}
}

// ask sends one question. The error holds no part of token and secret.
func (i *introspector) ask(ctx context.Context, token string) ([]byte, error) {
	i.mu.Lock()
	early := i.now().Before(i.notUntil)
	i.mu.Unlock()
	if early {
		return nil, fmt.Errorf("%w: %s failed just now", errUnanswered, i.endpoint)
	}
	// Nobody stands in line: made-up tokens would fill it.
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	default:
		return nil, fmt.Errorf("%w: %d questions are under way", errUnanswered, maxQuestions)
	}
	answer, err := i.post(ctx, token)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		i.failures = 0
		return answer, nil
	}
	if i.failures++; i.failures >= patienceFailures {
		i.notUntil = i.now().Add(min(minPause<<min(i.failures-patienceFailures, 10), maxPause))
	}
	return nil, fmt.Errorf("%w: %w", errUnanswered, err)
}

func (i *introspector) post(ctx context.Context, token string) ([]byte, error) {
	// Read each time: a secret is rotated without a word to us.
	secret, err := readSmall(i.secretFile)
	if err != nil {
		return nil, fmt.Errorf("client secret: %w", err)
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	// RFC 6749 §2.3.1: both are encoded as in a form before.
	r.SetBasicAuth(url.QueryEscape(i.clientID), url.QueryEscape(strings.TrimRight(string(secret), "\r\n")))
	response, err := i.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", i.endpoint, response.Status)
	}
	return readBounded(response.Body)
}

// judge reads an answer (RFC 7662 §2.2).
func (i *tokenIssuer) judge(p *TokenPolicy, answer []byte, digest [32]byte, now time.Time) (*Credential, *Refusal) {
	var claims jose.Claims
	if err := json.Unmarshal(answer, &claims); err != nil {
		return nil, &Refusal{filterv1.StatusUnavailable, fmt.Errorf("%w: %w", errUnanswered, err)}
	}
	invalid := func(reason error) (*Credential, *Refusal) {
		return nil, &Refusal{filterv1.StatusInvalid, reason}
	}
	// RFC 7662 §2.2: a boolean; "true" as a text is not one.
	if string(claims.Extra["active"]) != "true" {
		return invalid(errors.New("the token is not active"))
	}
	if claims.Issuer != "" && claims.Issuer != i.expect.Issuer {
		return invalid(jose.ErrIssuer)
	}
	if len(claims.Audience) == 0 && !i.introspection.allowNoAudience ||
		len(claims.Audience) > 0 && !intersect(i.expect.Audience, claims.Audience) {
		return invalid(jose.ErrAudience)
	}
	if !claims.ExpiresAt.IsZero() && !now.Before(claims.ExpiresAt.Add(i.expect.Leeway)) {
		return nil, &Refusal{filterv1.StatusExpired, jose.ErrExpired}
	}
	if err := i.checkTimes(&claims, now); err != nil {
		return invalid(err)
	}
	if isRefreshToken(&claims) {
		return invalid(errors.New("a refresh token is not an access token"))
	}
	if refusal := refuseBound(&claims); refusal != nil {
		return nil, refusal
	}
	c, err := i.credential(p, &claims, answer, digest)
	if err != nil {
		return invalid(err)
	}
	return c, nil
}

// isRefreshToken knows the words by which servers tell refresh tokens, which
// are as active as access tokens to most of them.
func isRefreshToken(c *jose.Claims) bool {
	for _, name := range []string{"token_type", "typ", "token_use", "use"} {
		var word string
		if json.Unmarshal(c.Extra[name], &word) == nil &&
			slices.Contains([]string{"refresh", "refresh_token", "offline"}, strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// isB64Token reports whether token is what may stand behind "Bearer" (RFC 6750
// §2.1).
func isB64Token(token string) bool {
	body := strings.TrimRight(token, "=")
	for i := range len(body) {
		c := body[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return body != ""
}
