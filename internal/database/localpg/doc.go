// Package localpg owns a supervised PostgreSQL server on this machine: it
// finds the binaries, makes the cluster, starts the server as an unprivileged
// user, restarts it when it dies, and stops it with the process. The server
// listens on a Unix socket in a private folder, on no network address.
//
// It leaves what is in the databases to internal/database, and the question
// whether to run a local server at all to internal/cli. It is for development
// and tests: production brings its own PostgreSQL.
//
// # Files
//
// Below [Options.Dir]: postgres (the cluster, or a symbolic link to it),
// postgres.password (0600, the administrator's), postgres.socket (the folder
// of the socket, to clean up after a killed run), logs/postgres.log. Beside
// the cluster itself: a file with the suffix .lock that the running process
// holds locked.
//
// As root, where the unprivileged user cannot reach Dir (a checkout below a
// 0700 home, say), the cluster lives in /var/lib/gatehouse/ID, and
// Dir/postgres is a link to it; removing Dir then leaves that folder.
package localpg
