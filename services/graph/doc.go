// Package graph is the domain of the GraphQL service: the types of its schema
// (schema.graphqls is the contract, with the comments that clients see) and the
// errors it answers. It keeps nothing; what it answers, it asks of the user,
// auth and email services in the caller's name.
//
// Below it: upstream asks the services, load asks them once for each thing and
// request, resolve answers fields, limit says what a query may ask for,
// endpoint speaks HTTP and server-sent events, generated is gqlgen's (make
// generate), app assembles the service.
//
// Who may read what is decided by the services that own it: the caller's
// internal token is passed on as it came.
package graph
