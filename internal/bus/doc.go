// Package bus owns how Gatehouse uses NATS: durable events on JetStream
// ([Bus.Publish], [Bus.Consume]), fleeting notices ([Bus.Notify]), key-value
// buckets, and the list of revoked sessions, keys and tokens ([Revocations]).
//
// It leaves what events say to internal/event, publishing them if and only if
// their transaction commits to internal/outbox, and the broker to its operator
// (a cluster) or to internal/bus/embedded (development). It needs NATS 2.11.
//
// # Subjects
//
// An event of type gatehouse.user.registered.v1 travels on
// gatehouse.event.user.registered.v1, in CloudEvents' structured JSON mode.
// Events that a consumer gave up go to gatehouse.dead.CONSUMER.
package bus
