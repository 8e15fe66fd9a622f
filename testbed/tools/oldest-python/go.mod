module fairlead/testbed/oldest-python

go 1.26.0

require github.com/kluctl/go-embed-python v0.0.0-3.10.16-20241219-1
