module github.com/seed-8025779b/shakedown

go 1.26.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0
	pgregory.net/rapid v1.2.0
)
