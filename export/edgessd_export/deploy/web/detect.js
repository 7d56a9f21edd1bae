import * as ort from "onnxruntime-web";

export const MODEL = {};

// Returns what is in a picture. session: of model.onnx. pixels: RGBA of a canvas of MODEL.width x MODEL.height, onto
// which the whole picture was drawn. Boxes are left, top, right, bottom in fractions of the picture.
export async function detect(session, pixels, least = 0) {
  const { width, height, labels, thresholds } = MODEL;
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let place = 0; place < plane; place++)
    for (let colour = 0; colour < 3; colour++) values[colour * plane + place] = pixels[4 * place + colour];
  const image = new ort.Tensor("float32", values, [1, 3, height, width]);
  const { boxes, scores, classes, count } = await session.run({ image });
  return Array.from({ length: Number(count.data[0]) }, (_, row) => ({
    label: labels[classes.data[row]],
    score: scores.data[row],
    box: Array.from(boxes.data.slice(4 * row, 4 * row + 4)),
  })).filter(({ label, score }) => score >= (least || thresholds[label]));
}
