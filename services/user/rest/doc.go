// Package rest is the user service's public REST API (/v1/users, /v1/me,
// /v1/roles, /v1/permissions, /v1/authorize, /v1/openapi.json) on huma: wire
// types, ETags, pages, merge patches, and who may do what to whom.
//
// Which values and changes are legal is package user's. The gateway has checked
// the route's scopes before; this package checks permission and ownership
// again. Whether somebody may hand on what it wants to is decided in the store's
// transaction, by the rights that are in the database then.
package rest
