package cl100k

// widen is by how much windows grow where they are too small.
const widen = 16

// windows counts the tokens of a piece of more than small bytes, most at most, and tells where the last of them ends. It
// merges one window after the other, so that neither time nor memory grow with the square of a long piece.
//
// What makes this exact: a row of tokens is what a text is merged to if, and only if, each two neighbours are what their
// bytes are merged to. Two windows that overlap and share one token can thus be joined at that token: all neighbours of the
// row that comes of it stand in one window or the other. Each window begins at a token of the one before, well before the
// end of that, where what follows has no effect any more, and must begin with the same token. Where it does not, all is
// begun again with larger windows, in the end with one for the whole piece. That happens with runs of one character alone,
// of which there are very long tokens.
func (s *scratch) windows(piece []byte, most int) (tokens, end int) {
	for size := small; ; size *= widen {
		if tokens, end, ok := s.joined(piece, size, most); ok {
			return tokens, end
		}
	}
}

// joined is windows with windows of one size; ok is false where they cannot be joined.
func (s *scratch) joined(piece []byte, size, most int) (tokens, end int, ok bool) {
	begin, shared := 0, 0 // shared is how long the token is with which this window must begin; 0: any
	for {
		window := piece[begin:min(begin+size, len(piece))]
		last := begin+len(window) == len(piece)
		s.split(window)
		if shared != 0 && s.following(window, 0) != shared {
			return 0, 0, false
		}
		stop := len(window)
		if !last {
			stop -= size / 4
		}
		at := 0
		for at < len(window) {
			next := s.following(window, at)
			if next > stop || tokens == most {
				break
			}
			at = next
			tokens++
		}
		if last || tokens == most {
			return tokens, begin + at, true
		}
		if at == 0 {
			return 0, 0, false
		}
		shared = s.following(window, at) - at
		begin += at
	}
}

// split merges a window, for following to tell its tokens.
func (s *scratch) split(window []byte) {
	if len(window) <= small {
		s.merge(window, len(window))
		return
	}
	s.large.merge(window)
}

// following is where the token of the window ends that begins at the given place.
func (s *scratch) following(window []byte, at int) int {
	if len(window) <= small {
		return int(s.next[at])
	}
	return int(s.large.next[at])
}
