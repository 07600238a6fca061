// Package archtest owns the tests that keep the repository's shape: who may
// import whom and why, package comments, comments of exported names, file and
// function sizes, and the fixed top-level folders. It has no code of its own.
package archtest
