package registry

import "testing"

// A mirror that has lied is passed over although it answers others.
func TestLiarsStayPassedOver(t *testing.T) {
	g := newGate("m.example", HostConfig{}, 0)
	g.failed()
	if g.worked(); g.isDown() {
		t.Error("a host that works again counts as down")
	}
	g.lied()
	if g.worked(); !g.isDown() {
		t.Error("a host that gave wrong content is asked again at once")
	}
}
