// Tells one person's story through an unmodified npm SDK: send.mjs SDK URL WRITE_KEY PERSON.
// Prints the errors that the SDK reports, as JSON: [{"status"}].
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";

const SCANS = 25;
const errors = [];

// The story. send.py tells the same.
function tell(client, person) {
  const anonymousId = `${person}-anonymous`;
  const userId = person;
  const email = `${person}@example.com`;
  client.track({ anonymousId, event: "Product Viewed", properties: { product_id: "p1" } });
  client.identify({ userId, anonymousId, traits: { email, firstName: "Zoë 😀" } });
  client.track({ userId, event: "Signed Up", timestamp: new Date("2020-01-01T00:00:00Z") });
  const order = { order_id: `${person}-1`, revenue: 30.5, currency: "USD" };
  client.track({ userId, event: "Order Completed", properties: order });
  client.page({ userId, category: "Docs", name: "Home", properties: { path: "/" } });
  client.screen({ userId, category: "App", name: "Cart" });
  client.group({ userId, groupId: `${person}-team`, traits: { name: "ACME" } });
  client.alias({ userId, previousId: `${person}-old` });
  for (let n = 0; n < 2; n++) client.track({ userId, event: "Said Twice", messageId: `${person}-twice` });
  for (let n = 0; n < SCANS; n++) client.track({ userId, event: "Item Scanned", properties: { number: n } });
}

const clients = {
  async "segment-node"(url, writeKey, person) {
    const client = new Analytics({ writeKey, host: url });
    client.on("http_response", ({ status }) => status === 200 || errors.push({ status }));
    tell(client, person);
    await client.closeAndFlush();
  },
  async "rudderstack-node"(url, writeKey, person) {
    const errorHandler = (error) => errors.push({ status: error.response?.status });
    const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, logLevel: "none", errorHandler });
    tell(client, person);
    // Each flush sends what has been queued, up to flushAt messages, after the one under way.
    while (client.queue.length) await client.flush();
    await client.pendingFlush;
  },
};

const [sdk, url, writeKey, person] = process.argv.slice(2);
await clients[sdk](url, writeKey, person);
console.log(JSON.stringify(errors));
