package hostfile

import (
	"slices"
	"strconv"
	"strings"
)

var capabilities = []string{"pull", "resolve", "push"}

// checkCapabilities refuses capabilities that containerd does not know.
func (t *hostTOML) checkCapabilities(w where) error {
	for i, c := range t.Capabilities {
		if !slices.Contains(capabilities, strings.ToLower(c)) {
			return w.key("capabilities", strconv.Itoa(i)).errorf("capability %.300q is none of %s", c, strings.Join(capabilities, ", "))
		}
	}
	return nil
}

func (t *hostTOML) can(capability string) bool {
	return slices.ContainsFunc(t.Capabilities, func(c string) bool { return strings.EqualFold(c, capability) })
}

// mirrorCapabilities are those of a host that is not the server.
func (t *hostTOML) mirrorCapabilities(w where) (resolve, push bool, err error) {
	if err := t.checkCapabilities(w); err != nil {
		return false, false, err
	}
	if len(t.Capabilities) == 0 {
		return true, false, nil
	}
	if !t.can("pull") {
		return false, false, w.key("capabilities").errorf("capabilities without pull: nothing could be asked of this host")
	}
	return t.can("resolve"), t.can("push"), nil
}

// serverCapabilities must be all of them: the server is what is left when no
// host has something.
func (t *hostTOML) serverCapabilities(w where) error {
	if err := t.checkCapabilities(w); err != nil {
		return err
	}
	for _, c := range capabilities {
		if len(t.Capabilities) > 0 && !t.can(c) {
			return w.key("capabilities").errorf("a server without %s: the capabilities of a server cannot be limited", c)
		}
	}
	return nil
}
