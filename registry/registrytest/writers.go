package registrytest

import "net/http"

// headerFilter changes the headers of an answer at the last moment.
type headerFilter struct {
	http.ResponseWriter
	change func(header http.Header, status int) // nil: done
}

func (f *headerFilter) WriteHeader(status int) {
	if f.change != nil {
		f.change(f.Header(), status)
		f.change = nil
	}
	f.ResponseWriter.WriteHeader(status)
}

func (f *headerFilter) Write(p []byte) (int, error) {
	if f.change != nil {
		f.WriteHeader(http.StatusOK)
	}
	return f.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (f *headerFilter) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// deferred holds a 404 back, so that something else can be answered.
type deferred struct {
	http.ResponseWriter
	header http.Header
	status int
}

func (d *deferred) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}

func (d *deferred) WriteHeader(status int) {
	if d.status != 0 {
		return
	}
	if d.status = status; status == http.StatusNotFound {
		return
	}
	for name, values := range d.header {
		d.ResponseWriter.Header()[name] = values
	}
	d.ResponseWriter.WriteHeader(status)
}

func (d *deferred) Write(p []byte) (int, error) {
	if d.status == 0 {
		d.WriteHeader(http.StatusOK)
	}
	if d.status == http.StatusNotFound {
		return len(p), nil
	}
	return d.ResponseWriter.Write(p)
}
