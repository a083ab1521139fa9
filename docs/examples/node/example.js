/** Subscribe ticks, read the account and bars, and place an order: `node example.js [ENDPOINT [SYMBOL]]`, on a demo account. */

import { BridgeError, Client, newId } from "./client.js";

const [endpoint = "tcp://127.0.0.1:5555", symbol = "EURUSD"] = process.argv.slice(2);
const client = await Client.connect(endpoint, { name: "node-example" });
client.on("epoch", () => console.log("the bridge was started anew"));
client.on("silence", () => console.log("no heartbeats: what is known is old"));
client.on("fault", (error) => console.log(`fault: ${error.message}`));

await client.subscribe([`tick:${symbol}`], (item) => {
  if (item.kind === "gap")
    console.log(`${item.topic}: ${item.count ?? "an unknown number of"} events are missing (${item.reason})`);
  else for (const tick of item.records ?? []) console.log(`${item.kind} ${item.sequence}: ${tick.bid} ${tick.ask}`);
});

const account = await client.account();
console.log(`account ${account.login}: ${account.equity} ${account.currency}`);
const bars = await client.rates(symbol, "M5", { count: 3 });
console.log(bars.map((bar) => `${new Date(bar.time * 1000).toISOString()} ${bar.close}`).join("\n"));

const id = newId(); // the identity of the order: with it the order can be repeated safely, also after a crash
const order = { action: 1, symbol, volume: 0.1, type: 0, comment: "node" };
try {
  const { outcome, result } = await client.order(order, { id });
  console.log(`order ${result.order}: ${outcome} at ${result.price}`);
  const again = await client.order(order, { id });
  console.log(`the same id once more: order ${again.result.order}, nothing was sent`);
} catch (error) {
  if (!(error instanceof BridgeError)) throw error;
  console.log(`order ${id}: ${error.code} (${error.action}): ${error.message}`);
}
for (const position of await client.positions({ symbol }))
  console.log(`position ${position.ticket}: ${position.volume} at ${position.price_open}`);
await client.close();
