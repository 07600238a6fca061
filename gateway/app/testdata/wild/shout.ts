// A filter in AssemblyScript, with its garbage collector: it answers the bodies
// of requests and responses in upper case and says so in a header field.
// Built by: asc shout.ts -O --runtime incremental --use abort= -o shout.wasm

@external("http_handler", "enable_features")
declare function enable_features(features: i32): i32;
@external("http_handler", "get_uri")
declare function get_uri(buf: usize, limit: i32): i32;
@external("http_handler", "set_header_value")
declare function set_header_value(kind: i32, name: usize, nameLen: i32, value: usize, valueLen: i32): void;
@external("http_handler", "read_body")
declare function read_body(kind: i32, buf: usize, limit: i32): i64;
@external("http_handler", "write_body")
declare function write_body(kind: i32, buf: usize, len: i32): void;

const features = enable_features(3);

function text(s: string): ArrayBuffer { return String.UTF8.encode(s); }

function set(kind: i32, name: string, value: string): void {
  const n = text(name), v = text(value);
  set_header_value(kind, changetype<usize>(n), n.byteLength, changetype<usize>(v), v.byteLength);
}

function uri(): string {
  const length = get_uri(0, 0);
  const buffer = new ArrayBuffer(length);
  get_uri(changetype<usize>(buffer), length);
  return String.UTF8.decode(buffer);
}

function shout(kind: i32): void {
  const part = new ArrayBuffer(100);
  let all = "";
  for (;;) {
    const r = read_body(kind, changetype<usize>(part), part.byteLength);
    all += String.UTF8.decodeUnsafe(changetype<usize>(part), <i32>r);
    if (r >> 32 != 0) break;
  }
  const body = text(all.toUpperCase());
  write_body(kind, changetype<usize>(body), body.byteLength);
}

export function handle_request(): i64 {
  set(0, "X-Shouted", uri() + " " + features.toString());
  shout(0);
  return 1;
}

export function handle_response(context: i32, failed: i32): void {
  if (failed) return;
  set(1, "X-Shouted", "too");
  shout(1);
}
