package app

import (
	"context"

	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/services/auth/account"
	"gatehouse.example/services/auth/apikeys"
	"gatehouse.example/services/auth/audit"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/clientauth"
	"gatehouse.example/services/auth/keyring"
	"gatehouse.example/services/auth/masterkey"
	"gatehouse.example/services/auth/mint"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/postgres"
	"gatehouse.example/services/auth/proof"
	"gatehouse.example/services/auth/throttle"
)

// parts is what several endpoints share.
type parts struct {
	clients     *clientSource
	clientStore *postgres.Clients
	codes       *postgres.Codes
	refresh     *postgres.Refresh
	sessions    *postgres.Sessions
	credentials *postgres.Credentials
	challenges  *postgres.Challenges
	passwords   *postgres.Passwords
	records     *postgres.Records
	userEvents  *postgres.UserEvents
	setupLinks  *postgres.SetupLinks
	apiKeys     *postgres.APIKeys
	endings     *postgres.Endings
	sweeper     *postgres.Sweeper
	audit       *postgres.Audit

	ring          *keyring.Ring
	minter        *mint.Minter
	refresher     *opaque.Refresher
	links         *challenge.Links
	hasher        *password.Hasher
	guard         *throttle.Guard
	mailGuard     *throttle.Guard
	registerGuard *throttle.Guard
	proofs        *proof.Checker
	jar           *browser.Jar
	pages         *page.Renderer
	authenticator *clientauth.Authenticator
	social        *socialParts
	recorder      *audit.Recorder
	denials       *refusals.Watcher
	usage         *apikeys.Usage
}

func newParts(ctx context.Context, o Options, master *masterkey.Key) (*parts, error) {
	p := &parts{
		clientStore: postgres.NewClients(o.DB), codes: postgres.NewCodes(o.DB), refresh: postgres.NewRefresh(o.DB),
		sessions: postgres.NewSessions(o.DB), credentials: postgres.NewCredentials(o.DB), challenges: postgres.NewChallenges(o.DB),
		setupLinks: postgres.NewSetupLinks(o.DB), apiKeys: postgres.NewAPIKeys(o.DB), sweeper: postgres.NewSweeper(o.DB),
		endings: postgres.NewEndings(o.DB, o.Config.AccessTokenLifetime),
	}
	p.passwords, p.records, p.userEvents = postgres.NewPasswords(o.DB, p.endings), postgres.NewRecords(o.DB), postgres.NewUserEvents(o.DB, p.endings)
	p.clients = newClientSource(p.clientStore, o.BootstrapClient)
	if err := p.addRecords(o); err != nil {
		return nil, err
	}
	refreshKey, err := master.Derive("refresh tokens")
	if err != nil {
		return nil, err
	}
	linkKey, err := master.Derive("challenge links")
	if err != nil {
		return nil, err
	}
	p.refresher, p.links = opaque.NewRefresher(refreshKey), challenge.NewLinks(o.Issuer, linkKey)
	p.ring, err = keyring.Open(ctx, keyring.Options{Store: postgres.NewSigningKeys(o.DB), Master: master, MasterKeyFile: o.MasterKeyFile, Now: o.Now})
	if err != nil {
		return nil, err
	}
	p.minter = mint.New(mint.Options{Issuer: o.Issuer, Keys: p.ring, AccessTokenLifetime: o.Config.AccessTokenLifetime, Now: o.Now})
	p.hasher = password.NewHasher(password.Options{MaxConcurrent: o.Config.MaxConcurrentHashes, Parameters: o.PasswordCost})
	p.guard = throttle.New(postgres.NewAttempts(o.DB), o.Now)
	p.proofs = proof.New(proof.Options{Credentials: p.credentials, Log: p.records, Guard: p.guard, Hasher: p.hasher, Now: o.Now})
	p.mailGuard, p.registerGuard = throttle.NewMails(postgres.NewAttempts(o.DB), o.Now), throttle.NewRegistrations(postgres.NewAttempts(o.DB), o.Now)
	p.jar = browser.New(browser.Options{Issuer: o.Issuer, Sessions: p.sessions, Lifetime: o.Config.SessionLifetime, Idle: o.Config.SessionIdle, Now: o.Now})
	p.authenticator = clientauth.New(clientauth.Options{Clients: p.clients, Now: o.Now})
	p.pages, err = page.New(page.Options{Issuer: o.Issuer})
	return p, err
}

// accountSections is what further packages show on the overview of the account.
func (p *parts) accountSections() []account.Section { return []account.Section{p.social.pages} }
