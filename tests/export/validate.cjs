// Validates lines of standard input against the JSON schema of CloudEvents 1.0, as the
// project's own package has it; prints how many there were.
const { CloudEvent, V1 } = require("cloudevents");
const lines = require("fs").readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
for (const line of lines) {
  const event = JSON.parse(line);
  if (event.specversion !== V1) throw new Error(`${line}: not of version 1.0`);
  new CloudEvent(event, true).validate();
}
console.log(lines.length);
