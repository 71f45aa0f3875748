// Every event that Kafka keeps, then each new one: go run .
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("TRIALSTREAM_KAFKA")), kgo.ConsumeTopics("trialstream.events"))
	if err != nil {
		panic(err)
	}
	for {
		client.PollFetches(context.Background()).EachRecord(func(event *kgo.Record) {
			headers := map[string]string{}
			for _, header := range event.Headers {
				headers[header.Key] = string(header.Value)
			}
			sequence, _ := strconv.Atoi(headers["ce_sequence"])
			fmt.Println(string(event.Key), sequence, headers["ce_type"], string(event.Value))
		})
	}
}
