package fuel

// effectOf is by how many values an operator of one byte, which is not
// handled by itself, makes the stack higher.
func effectOf(op byte) int {
	switch {
	case op == opLocalGet, op == opGlobalGet, op >= opI32Const && op <= 0x44, op == 0x3f, op == 0xd0, op == opRefFunc:
		return 1
	case op == 0x1a, op == opLocalSet, op == opGlobalSet: // drop
		return -1
	case op == 0x1b, op == 0x1c, op == opTableSet, op >= 0x36 && op <= 0x3e: // select, stores
		return -2
	case op == 0x45, op == 0x50, // eqz
		op >= 0x67 && op <= 0x69, op >= 0x79 && op <= 0x7b, // clz, ctz, popcnt
		op >= 0x8b && op <= 0x91, op >= 0x99 && op <= 0x9f, // of floats
		op >= 0xa7: // conversions
		return 0
	case op >= 0x46 && op <= 0xa6: // comparisons and arithmetic
		return -1
	default: // local.tee, loads, table.get, nop
		return 0
	}
}

// effectOfVector is the same for vector operators.
func effectOfVector(op byte) int {
	switch {
	case op == 12:
		return 1
	case op == 11, op == 82, op >= 88 && op <= 91: // stores, bitselect
		return -2
	case op <= 10, op >= 15 && op <= 20, op == 77, op == 83, op >= 92 && op <= 100,
		op >= 103 && op <= 106, op == 116, op == 117, op == 122, op >= 124 && op <= 129,
		op == 131, op == 132, op >= 135 && op <= 138, op == 148,
		op == 160, op == 161, op == 163, op == 164, op >= 167 && op <= 170,
		op == 192, op == 193, op == 195, op == 196, op >= 199 && op <= 202,
		op == 224, op == 225, op == 227, op == 236, op == 237, op == 239, op >= 248:
		return 0
	case op >= 21 && op <= 34: // lanes: extracted, or replaced
		switch op {
		case 23, 26, 28, 30, 32, 34:
			return -1
		}
		return 0
	default:
		return -1
	}
}
