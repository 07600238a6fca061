package app_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
)

// people is a user service in memory that answers the internal API of
// internal/api/userapi.
type people struct {
	mux      *http.ServeMux
	mu       sync.Mutex
	accounts map[string]userapi.Account
	down     bool
}

func newPeople() *people {
	p := &people{mux: http.NewServeMux(), accounts: map[string]userapi.Account{}}
	p.mux.HandleFunc("PUT "+userapi.PathAccount, p.create)
	p.mux.HandleFunc("GET "+userapi.PathAccount, func(w http.ResponseWriter, r *http.Request) {
		account, ok := p.accounts[r.PathValue("id")]
		p.answer(w, r, account, ok)
	})
	p.mux.HandleFunc("GET "+userapi.PathAccounts, func(w http.ResponseWriter, r *http.Request) {
		account, ok := p.find(r.URL.Query().Get("login"))
		p.answer(w, r, account, ok)
	})
	p.mux.HandleFunc("POST "+userapi.PathVerifyEmail, p.verify)
	p.mux.HandleFunc("POST "+userapi.PathChangeEmail, p.changeEmail)
	return p
}

func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "down", ""))
		return
	}
	p.mux.ServeHTTP(w, r)
}

func (p *people) answer(w http.ResponseWriter, r *http.Request, a userapi.Account, ok bool) {
	if !ok {
		problem.Write(w, r, problem.New(http.StatusNotFound, userapi.CodeNotFound, "no such user"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	a.Permissions = rbac.Permissions(a.Roles)
	_ = json.NewEncoder(w).Encode(a)
}

func (p *people) find(login string) (userapi.Account, bool) {
	for _, a := range p.accounts {
		if strings.EqualFold(a.Email, login) || (a.Username != "" && strings.EqualFold(a.Username, login)) {
			return a, true
		}
	}
	return userapi.Account{}, false
}

func (p *people) create(w http.ResponseWriter, r *http.Request) {
	var n userapi.NewAccount
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		problem.Write(w, r, problem.New(http.StatusBadRequest, "invalid", ""))
		return
	}
	id := r.PathValue("id")
	if existing, ok := p.accounts[id]; ok {
		p.answer(w, r, existing, true)
		return
	}
	if _, taken := p.find(n.Email); taken {
		problem.Write(w, r, problem.New(http.StatusConflict, userapi.CodeEmailTaken, ""))
		return
	}
	if _, taken := p.find(n.Username); taken && n.Username != "" {
		problem.Write(w, r, problem.New(http.StatusConflict, userapi.CodeUsernameTaken, ""))
		return
	}
	if n.Username == "refused" {
		problem.Write(w, r, problem.New(http.StatusUnprocessableEntity, "invalid", "").With(problem.Violation{Pointer: "/username", Detail: "is refused"}))
		return
	}
	p.accounts[id] = userapi.Account{
		ID: id, Email: n.Email, Username: n.Username, Status: n.Status, EmailVerified: n.EmailVerified, Roles: n.Roles, Locale: n.Locale,
		Name: "Ada Lovelace", Profile: map[string]any{"given_name": "Ada", "phone_number": "+1"},
	}
	p.answer(w, r, p.accounts[id], true)
}

func (p *people) verify(w http.ResponseWriter, r *http.Request) {
	var proof userapi.EmailProof
	a, ok := p.accounts[r.PathValue("id")]
	if err := json.NewDecoder(r.Body).Decode(&proof); err != nil || (ok && proof.Email != a.Email) {
		problem.Write(w, r, problem.New(http.StatusConflict, userapi.CodeEmailChanged, ""))
		return
	}
	if ok {
		a.EmailVerified = true
		if a.Status == userapi.StatusPending {
			a.Status = userapi.StatusActive
		}
		p.accounts[a.ID] = a
	}
	p.answer(w, r, a, ok)
}

func (p *people) changeEmail(w http.ResponseWriter, r *http.Request) {
	var change userapi.EmailChange
	a, ok := p.accounts[r.PathValue("id")]
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil || !ok {
		p.answer(w, r, a, false)
		return
	}
	if owner, taken := p.find(change.Email); taken && owner.ID != a.ID {
		problem.Write(w, r, problem.New(http.StatusConflict, userapi.CodeEmailTaken, ""))
		return
	}
	if a.Email != change.Email && a.Email != change.From {
		problem.Write(w, r, problem.New(http.StatusConflict, userapi.CodeEmailChanged, ""))
		return
	}
	a.Email, a.EmailVerified = change.Email, true
	p.accounts[a.ID] = a
	p.answer(w, r, a, true)
}

func (p *people) byLogin(login string) userapi.Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, _ := p.find(login)
	return a
}

func (p *people) change(id string, change func(*userapi.Account)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.accounts[id]
	change(&a)
	p.accounts[id] = a
}

func (p *people) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *people) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts)
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
