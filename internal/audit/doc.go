// Package audit owns the audit log: the form of its records, and how a service
// writes one in the transaction of the change that it tells of.
//
// Each service keeps its own records in the table audit_log of its schema, into
// which it may only insert, and tells them as events, so that auth has those of
// all in one place. Reading is left to services/auth/audit; what is worth a
// record, to the services.
package audit
