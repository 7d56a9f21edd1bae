// Runs models in onnxruntime-web: node run_in_node.mjs IMAGE.json MODEL... prints each model's outputs as JSON.
// IMAGE.json: by model {"dims": [...], "bytes": base64 of uint8}. It lies where onnxruntime-web is installed.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
const images = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const model of process.argv.slice(3)) {
  const { dims, bytes } = images[model];
  const image = new ort.Tensor("uint8", new Uint8Array(Buffer.from(bytes, "base64")), dims);
  const session = await ort.InferenceSession.create(model);
  const outputs = await session.run({ image });
  const told = Object.entries(outputs).map(([name, { dims, data }]) => {
    return [name, { dims, values: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") }];
  });
  console.log(JSON.stringify(Object.fromEntries(told)));
}
