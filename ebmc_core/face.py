"""What a face crop is: the contract between the face front end, which cuts it, and the expression network.

A crop is a grey picture, uint8 `[CROP, CROP]`, turned, scaled and shifted (a similarity, no shear) so that the two eyes
and the mouth fall on `ANCHORS` as nearly as three points can. It shows the brows and most of the chin, little hair and
no background to learn from. Needs numpy only, so that a running stream never imports torch for it.
"""

CROP = 64  # pixels a side
MARGIN = 4  # pixels more on each side in the training arrays, so that jitter shifts in real skin, not in padding

# x, y in the crop: centre of the eye at the left of the picture, of the other eye, middle of the mouth's corners
ANCHORS: tuple[tuple[float, float], ...] = ((20.0, 22.0), (44.0, 22.0), (32.0, 47.0))

EMBEDDING = 32  # numbers that the network says of a crop

EMOTIONS: tuple[str, ...] = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
# the data has 9 pictures of contempt: they count as disgust, its nearest neighbour
EMOTION_OF_LABEL: dict[str, int] = {name: index for index, name in enumerate(EMOTIONS)} | {"contempt": 5}
# index in SENTIMENTS; surprise says nothing of valence and takes no part
SENTIMENT_OF_EMOTION: tuple[int | None, ...] = (1, 2, None, 0, 0, 0, 0)
