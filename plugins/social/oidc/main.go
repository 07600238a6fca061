// Command oidc is a social sign-in plugin for every provider that speaks OpenID
// Connect Core 1.0 with discovery: code flow with PKCE (S256), verification of
// the ID token, and userinfo where the token tells no address.
//
// It owns what makes the provider's answer trustworthy. State, nonce and
// verifier are made and bound to the browser by the host; which account an
// identity leads to is the host's decision as well.
package main

import "gatehouse.example/sdk/social"

func main() { social.Serve(&provider{}) }
