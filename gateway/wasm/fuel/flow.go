package fuel

// none is no node, or the end of a list of edges.
const none = -1

// flow is a function's graph of control, as far as charging needs it: nodes
// are runs of code that are entered at their beginning alone, in the order of
// the code. Edges are kept for nodes that lead to one other node only.
type flow struct {
	nodes []node
	edges []edge
	// current is the node that code is read into, none where none arrives.
	current int32
}

type node struct {
	cost    int64 // units to charge at its beginning
	sources int32 // edges from nodes that lead here only
	shared  bool  // nodes that may lead elsewhere lead here too
	loops   bool  // it is the head of a loop that is branched to
	marked  bool  // it contains a call or a bulk operation
}

type edge struct{ from, next int32 }

func (f *flow) reset() {
	f.nodes, f.edges, f.current = f.nodes[:0], f.edges[:0], none
}

// add adds a node and makes it the current one.
func (f *flow) add(sources int32, shared bool) int32 {
	f.current = int32(len(f.nodes))
	f.nodes = append(f.nodes, node{sources: sources, shared: shared})
	return f.current
}

func (f *flow) edge(from, next int32) int32 {
	f.edges = append(f.edges, edge{from, next})
	return int32(len(f.edges) - 1)
}

func (f *flow) charge(units int64) {
	if f.current != none {
		f.nodes[f.current].cost += units
	}
}

func (f *flow) mark() {
	if f.current != none {
		f.nodes[f.current].marked = true
	}
}

// merge charges a node in the nodes before it, where all of them lead to it
// alone: then each run through it has come from one of them, and each run
// through them goes on to it. Nothing is executed more often for it. A loop
// whose branches are unconditional is so paid for when it is entered and by
// each branch back, and its head only looks.
func (f *flow) merge() {
	for i := len(f.nodes) - 1; i > 0; i-- {
		n := &f.nodes[i]
		if n.cost == 0 || n.shared || n.sources == none || f.leadsFrom(n.sources, int32(i)) {
			continue
		}
		for e := n.sources; e != none; e = f.edges[e].next {
			f.nodes[f.edges[e].from].cost += n.cost
		}
		n.cost = 0
	}
}

func (f *flow) leadsFrom(list, from int32) bool {
	for e := list; e != none; e = f.edges[e].next {
		if f.edges[e].from == from {
			return true
		}
	}
	return false
}
