// Package rbac owns the permissions that Gatehouse's own API knows and the
// built-in roles that carry them.
//
// Roles and permissions that operators make are rows of the user service;
// which endpoint asks for which permission is decided where it answers.
package rbac
