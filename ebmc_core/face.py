"""What the expression network is shown of a face: the contract with the face front end, which cuts and measures it.

A crop is a grey picture, uint8 `[CROP, CROP]`, turned, scaled and shifted (a similarity, no shear) so that the two eyes
and the mouth fall on `ANCHORS` as nearly as three points can. It shows the brows and most of the chin, little hair and
no background to learn from.

A portrait is a colour picture, uint8 `[PORTRAIT, PORTRAIT, 3]`, RGB, cut in the same way on `PORTRAIT_ANCHORS`, so that
the face fills it. A network that was trained on many faces (`checkpoints/face-trunk`) turns it into a texture, float
`TEXTURE`: 512 kinds of detail in each of 4 x 4 cells.

A shape is where the mesh points are once the head is turned to the front, float32 `[POINTS, 3]`: the origin between the
eyes, x towards the eye at the right of the picture, y down the nose, z away from the camera, unit the distance of the
eyes.

Plain numbers only, so that a running stream never imports torch for them.
"""

POINTS = 478  # of MediaPipe's face mesh
BLENDSHAPES = 52  # how far each muscle is drawn, 0..1, as MediaPipe says

CROP = 64  # pixels a side

# x, y in the crop: centre of the eye at the left of the picture, of the other eye, middle of the mouth's corners
ANCHORS: tuple[tuple[float, float], ...] = ((20.0, 22.0), (44.0, 22.0), (32.0, 47.0))

PORTRAIT = 128  # pixels a side
PORTRAIT_ANCHORS: tuple[tuple[float, float], ...] = ((39.0, 43.5), (89.0, 43.5), (64.0, 95.5))
TEXTURE = (512, 4, 4)  # channels, rows, columns

EMBEDDING = 32  # numbers that the network says of a face

EMOTIONS: tuple[str, ...] = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
# the data has 9 pictures of contempt: they count as disgust, its nearest neighbour
EMOTION_OF_LABEL: dict[str, int] = {name: index for index, name in enumerate(EMOTIONS)} | {"contempt": 5}
# index in SENTIMENTS; surprise says nothing of valence and takes no part
SENTIMENT_OF_EMOTION: tuple[int | None, ...] = (1, 2, None, 0, 0, 0, 0)
