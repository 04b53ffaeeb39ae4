package cache

import "os/exec"

// gcImmutable makes a file one that nobody can remove, root included.
func gcImmutable(path string, yes bool) ([]byte, error) {
	flag := "-i"
	if yes {
		flag = "+i"
	}
	return exec.Command("chattr", flag, path).CombinedOutput()
}
