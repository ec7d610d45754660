/** Where a share of the picture lies on the stage. No page in here: it runs anywhere. */

/**
 * @param {[number, number, number, number]} box x0, y0, x1, y1 in shares of the picture.
 * @param {{width: number, height: number}} picture
 * @param {{width: number, height: number}} stage The picture is shown whole and centred in it.
 * @param {boolean} mirrored
 * @returns {{left: number, top: number, width: number, height: number}} In the stage's unit.
 */
export function boxOnStage(box, picture, stage, mirrored) {
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  const [x0, y0, x1, y1] = mirrored ? [1 - box[2], box[1], 1 - box[0], box[3]] : box;
  return {
    left: (stage.width - width) / 2 + x0 * width,
    top: (stage.height - height) / 2 + y0 * height,
    width: (x1 - x0) * width,
    height: (y1 - y0) * height,
  };
}
