// Command mean is a test filter that does everything wrong, on demand.
package main

func main() {}
