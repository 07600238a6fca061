package rest

import (
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
)

const (
	maxReasonLength = 200
	// reasonManual is the reason of a suppression that was given none.
	reasonManual = "manual"
)

type suppressionWire struct {
	Address   string    `json:"address"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

func suppressionOf(s email.Suppression) suppressionWire {
	return suppressionWire{Address: s.Address, Reason: s.Reason, CreatedAt: s.CreatedAt, CreatedBy: s.CreatedBy}
}

func (a *api) listSuppressions(w http.ResponseWriter, r *http.Request) error {
	limit, after, err := readPage(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := a.Suppressions.Suppressions(r.Context(), after, limit+1)
	if err != nil {
		return err
	}
	key := func(s email.Suppression) string { return email.AddressKey(s.Address) }
	return jsonhttp.Write(w, http.StatusOK, jsonhttp.NewList(found, limit, suppressionOf, key))
}

// suppress answers 201, or 200 with the suppression that there is already.
func (a *api) suppress(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Address string `json:"address"`
		Reason  string `json:"reason"`
	}
	if err := jsonhttp.Read(w, r, &body); err != nil {
		return err
	}
	if !email.IsAddress(body.Address) {
		return jsonhttp.Invalid(problem.Violation{Pointer: "/address", Detail: "is not a bare mail address"})
	}
	if !jsonhttp.IsText(body.Reason) || utf8.RuneCountInString(body.Reason) > maxReasonLength {
		return jsonhttp.Invalid(problem.Violation{Pointer: "/reason", Detail: "must be one line of at most 200 characters"})
	}
	if body.Reason == "" {
		body.Reason = reasonManual
	}
	s, err := email.NewSuppression(r.Context(), body.Address, body.Reason, actor(r), a.Now())
	if err != nil {
		return err
	}
	s, created, err := a.Suppressions.Suppress(r.Context(), s)
	if err != nil {
		return err
	}
	if !created {
		return jsonhttp.Write(w, http.StatusOK, suppressionOf(s))
	}
	w.Header().Set("Location", "/v1/messages/suppressions/"+url.PathEscape(s.Address))
	return jsonhttp.Write(w, http.StatusCreated, suppressionOf(s))
}

func (a *api) unsuppress(w http.ResponseWriter, r *http.Request) error {
	address := r.PathValue("address")
	if !email.IsAddress(address) {
		return email.ErrNotFound
	}
	err := a.Suppressions.Unsuppress(r.Context(), address, func(s email.Suppression) (audit.Record, error) {
		return email.UnsuppressedRecord(r.Context(), s, a.Now())
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
