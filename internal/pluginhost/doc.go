// Package pluginhost owns the processes of plugins: it checks a binary against
// its pinned checksum, starts it with an environment of its own and mutual TLS,
// watches its health, starts it again when it dies or hangs, forwards its log,
// and takes it down with the host, whichever way the host goes.
//
// What a plugin is for lies elsewhere: contracts in pluginspec, the plugin's
// end in sdk, policy such as retries in the service that calls. Nothing but
// this package and sdk knows go-plugin.
//
// Three properties of go-plugin shape it. Its Ping and Kill wait for ever on a
// stopped process, so health has a deadline of its own and an end is made by
// SIGKILL to the process group. It reads a plugin's standard error with a
// parser that a hostile line can make panic, so the log is read here. And it
// hands the host's environment on unless told otherwise.
package pluginhost
