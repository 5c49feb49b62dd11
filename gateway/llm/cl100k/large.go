package cl100k

// large merges more bytes than small. Of their pairs it keeps a tree, in which each node is the lesser of the two below
// it, so that the least is at the top.
type large struct {
	text       []byte
	tree       []uint64
	next, prev []int32
	leaves     int // a power of two; the leaves are the second half of the tree
}

// merge merges text. Where its tokens begin is then told by next, from 0 on.
func (l *large) merge(text []byte) {
	n := len(text)
	l.grow(n)
	l.text = append(append(l.text[:0], text...), 0, 0, 0, 0, 0, 0, 0, 0)
	for i := range l.leaves {
		l.tree[l.leaves+i] = l.pair(i, i+2)
	}
	for i := l.leaves - 1; i > 0; i-- {
		l.tree[i] = min(l.tree[2*i], l.tree[2*i+1])
	}
	for i := range n {
		l.next[i], l.prev[i+1] = int32(i+1), int32(i)
	}
	for l.tree[1] != 1<<64-1 {
		i := int32(l.tree[1])
		gone := l.next[i]
		l.set(gone, 1<<64-1)
		j := l.next[gone]
		l.next[i], l.prev[j] = j, i
		after := n + 1
		if int(j) < n {
			after = int(l.next[j])
		}
		l.set(i, l.pair(int(i), after))
		if i > 0 {
			before := l.prev[i]
			l.set(before, l.pair(int(before), int(j)))
		}
	}
	l.text = l.text[:n]
}

func (l *large) grow(n int) {
	for l.leaves = small; l.leaves < n; {
		l.leaves *= 2
	}
	if len(l.next) < n+1 {
		l.next, l.prev = make([]int32, l.leaves+1), make([]int32, l.leaves+1)
		l.text = make([]byte, 0, l.leaves+8)
	}
	if len(l.tree) < 2*l.leaves {
		l.tree = make([]uint64, 2*l.leaves)
	}
}

// pair is the pair from i to j, as one number that is less where it is merged first.
func (l *large) pair(i, j int) uint64 {
	if j > len(l.text)-8 {
		return 1<<64 - 1
	}
	r := rank(l.text, i, j)
	if r == 0 {
		return 1<<64 - 1
	}
	return uint64(r)<<32 | uint64(i)
}

// set changes a leaf, and what is above it.
func (l *large) set(leaf int32, value uint64) {
	i := l.leaves + int(leaf)
	l.tree[i] = value
	for i > 1 {
		i /= 2
		least := min(l.tree[2*i], l.tree[2*i+1])
		if l.tree[i] == least {
			return
		}
		l.tree[i] = least
	}
}
