package limit

// A window of a counter, for tests of the rules alone.

// Used estimates what is used of an interval.
func Used(index, cur, prev, interval, now int64) int64 {
	return used(window{index, cur, prev}, interval, now)
}

// Wait is how long it takes until no more than left is used.
func Wait(index, cur, prev, interval, now, left int64) int64 {
	return wait(window{index, cur, prev}, interval, now, left)
}

// Empties is how long it takes until nothing is used.
func Empties(index, cur, prev, interval, now int64) int64 {
	return empties(window{index, cur, prev}, interval, now)
}

// Takes is what a line takes, and whether it has room.
func Takes(c *Charge, used int64) (int64, bool) { return takes(c, used), hasRoom(c, used) }

// Learn sets the window of a counter, as a store does that knows better.
func (m *Memory) Learn(k Key, interval, index, cur, prev int64) {
	m.learn(k, interval, window{index, cur, prev}, m.now())
}
