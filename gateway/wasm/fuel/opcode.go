package fuel

// The operators that matter by themselves. The others are known by what
// follows them alone.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI32Ne        = 0x47
	opI64Ne        = 0x52
	opI64LtS       = 0x53
	opI32Mul       = 0x6c
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64And       = 0x83
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opI32TruncF32S = 0xa8
	opI32TruncF64U = 0xab
	opI64TruncF32S = 0xae
	opI64TruncF64U = 0xb1
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVector       = 0xfd
)

// The operators after opMisc.
const (
	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17
)

// opTableSet is the only operator of one byte that writes to a table.
const opTableSet = 0x26

// immediate is what follows an operator.
type immediate uint8

const (
	immUnknown immediate = iota // there is no such operator
	immNone
	immSpecial // read where the operator is handled
	immIndex
	immTwoIndexes
	immMemory // alignment and offset
	immByte
	immI32
	immI64
	immFourBytes
	immEightBytes
	immSelect
)

// immediates are what follows each operator of one byte.
var immediates = [256]immediate{ // a table, never written
	opUnreachable: immSpecial, opNop: immNone,
	opBlock: immSpecial, opLoop: immSpecial, opIf: immSpecial, opElse: immSpecial, opEnd: immSpecial,
	opBr: immSpecial, opBrIf: immSpecial, opBrTable: immSpecial, opReturn: immSpecial,
	opCall: immSpecial, opCallIndirect: immSpecial,
	0x1a: immNone, 0x1b: immNone, 0x1c: immSelect,
	0x20: immIndex, 0x21: immIndex, 0x22: immIndex, 0x23: immIndex, 0x24: immIndex, 0x25: immIndex, opTableSet: immIndex,
	0x28: immMemory, 0x29: immMemory, 0x2a: immMemory, 0x2b: immMemory, 0x2c: immMemory, 0x2d: immMemory,
	0x2e: immMemory, 0x2f: immMemory, 0x30: immMemory, 0x31: immMemory, 0x32: immMemory, 0x33: immMemory,
	0x34: immMemory, 0x35: immMemory, 0x36: immMemory, 0x37: immMemory, 0x38: immMemory, 0x39: immMemory,
	0x3a: immMemory, 0x3b: immMemory, 0x3c: immMemory, 0x3d: immMemory, 0x3e: immMemory,
	0x3f: immByte, opMemoryGrow: immSpecial,
	opI32Const: immI32, opI64Const: immI64, 0x43: immFourBytes, 0x44: immEightBytes,
	0xd0: immByte, 0xd1: immNone, opRefFunc: immIndex,
	opMisc: immSpecial, opVector: immSpecial,
}

// immediateOf is immediates and the numeric operators, which have none.
func immediateOf(op byte) immediate {
	if op >= 0x45 && op <= 0xc4 {
		return immNone
	}
	return immediates[op]
}

// skipImmediate passes over what follows an operator that needs no more.
func (r *reader) skipImmediate(imm immediate) {
	switch imm {
	case immNone:
	case immIndex:
		r.u32("index")
	case immTwoIndexes:
		r.u32("index")
		r.u32("second index")
	case immMemory:
		r.u32("alignment")
		r.u32("offset")
	case immByte:
		r.byte("operand")
	case immI32:
		r.skipLEB(5, "i32 constant")
	case immI64:
		r.skipLEB(10, "i64 constant")
	case immFourBytes:
		r.skip(4, "f32 constant")
	case immEightBytes:
		r.skip(8, "f64 constant")
	case immSelect:
		if n := r.byte("number of types"); n != 1 {
			r.failAt(r.at-1, "select names %d types, want 1", n)
			return
		}
		r.valueType()
	}
}

// skipVector passes over a vector operator behind its prefix, and returns its
// number, which is
// one byte to the runtime, and a second byte of a longer one is a nop to it.
func (r *reader) skipVector() byte {
	op := r.byte("vector operator")
	switch {
	case op <= 11, op == 92, op == 93: // loads and the store
		r.skipImmediate(immMemory)
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		r.skip(16, "v128 constant")
	case op >= 21 && op <= 34: // lanes
		r.skip(1, "lane")
	case op >= 84 && op <= 91: // loads and stores of lanes
		r.skipImmediate(immMemory)
		r.skip(1, "lane")
	}
	return op
}
