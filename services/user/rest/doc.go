// Package rest is the user service's public REST API (/v1/users, /v1/me,
// /v1/openapi.json) on huma: wire types, ETags, pages, merge patches, and who
// may do what to whom.
//
// Which values and changes are legal is package user's. The gateway has checked
// the route's scopes before; this package checks permission and ownership
// again. Preferences, custom roles and permissions are not here yet.
package rest
