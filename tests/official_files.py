"""Small files in the official formats of the data sets, made by hand."""

import io
import json
import tarfile
import zipfile

from PIL import Image


def jpeg(number=0, size=(40, 30)):
    """Returns a picture whose colour tells its number."""
    stream = io.BytesIO()
    Image.new("RGB", size, (number * 40 % 256, 90, 60)).save(stream, "JPEG")
    return stream.getvalue()


def zipped(members):
    """Packs name → bytes, or anything that becomes JSON."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content)
            file.writestr(name, data)
    return stream.getvalue()


def tarred(name, content):
    """Packs one file as .tar.gz."""
    stream = io.BytesIO()
    data = json.dumps(content).encode()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return stream.getvalue()


COCO_CAPTIONS = {
    "info": {"year": 2017},
    "images": [
        {"id": 9, "file_name": "000000000009.jpg", "height": 30, "width": 40, "license": 3},
        {"id": 25, "file_name": "000000000025.jpg", "height": 30, "width": 40, "license": 1},
        {"id": 30, "file_name": "000000000030.jpg", "height": 30, "width": 40, "license": 1},
    ],
    "annotations": [
        {"image_id": 25, "id": 1, "caption": "A giraffe eats\nleaves. "},
        {"image_id": 9, "id": 2, "caption": "Four bowls of food."},
        {"image_id": 25, "id": 3, "caption": "A giraffe in the shade."},
        {"image_id": 9, "id": 4, "caption": ""},
    ],
}
COCO_INSTANCES = {
    "images": COCO_CAPTIONS["images"],
    "categories": [{"id": 25, "name": "giraffe", "supercategory": "animal"}],
    "annotations": [
        {"id": 1, "image_id": 25, "category_id": 25, "bbox": [1.5, 2, 10, 20.25], "iscrowd": 0},
        {"id": 2, "image_id": 25, "category_id": 25, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        {"id": 3, "image_id": 25, "category_id": 99, "bbox": [0, 0, 5, 5], "iscrowd": 0},
        {"id": 4, "image_id": 9, "category_id": 25, "bbox": [0, 0, None, 5], "iscrowd": 0},
    ],
}
KARPATHY = {
    "dataset": "coco",
    "images": [
        {
            "filepath": "val2014",
            "filename": "COCO_val2014_000000000009.jpg",
            "cocoid": 9,
            "split": "restval",
            "sentences": [{"raw": "Four bowls of food.", "tokens": ["four"]}],
        },
        {
            "filepath": "train2014",
            "filename": "COCO_train2014_000000000025.jpg",
            "cocoid": 25,
            "split": "train",
            "sentences": [{"raw": "A giraffe."}, {"raw": "Leaves\n"}],
        },
        {"filepath": "val2014", "filename": "x.jpg", "cocoid": 1, "split": "test"},
    ],
}
NOCAPS = {
    "licenses": [],
    "info": {},
    "images": [
        {
            "id": 0,
            "file_name": "0013ea2087020901.jpg",
            "coco_url": "https://s3.amazonaws.com/nocaps/val/0013ea2087020901.jpg",
            "open_images_id": "0013ea2087020901",
            "domain": "near-domain",
            "width": 40,
            "height": 30,
        },
        {
            "id": 1,
            "file_name": "dead.jpg",
            "coco_url": "https://s3.amazonaws.com/nocaps/val/dead.jpg",
            "open_images_id": "dead",
            "domain": "out-domain",
        },
    ],
    "annotations": [
        {"image_id": 0, "id": 0, "caption": "A baby is standing."},
        {"image_id": 1, "id": 1, "caption": "Nothing."},
        {"image_id": 0, "id": 2, "caption": "A child."},
    ],
}


def vqa(split, first):
    """Returns VQA's questions and annotations of one split: three about two images."""
    asked = [(9, first, "What is in the bowl?"), (25, first + 1, "Is it tall?")]
    asked.append((9, first + 2, "How many bowls?"))
    questions = [{"image_id": i, "question": q, "question_id": n} for i, n, q in asked]
    annotations = [
        {
            "question_type": "what is",
            "multiple_choice_answer": "food",
            "answers": [
                {"answer": word, "answer_confidence": sure, "answer_id": k + 1}
                for k, (word, sure) in enumerate([("food", "yes"), ("soup", "maybe")] * 5)
            ],
            "image_id": image,
            "answer_type": "other",
            "question_id": number,
        }
        for image, number, _ in asked
    ]
    return (
        {"info": {}, "data_subtype": f"{split}2014", "questions": questions},
        {"info": {}, "data_subtype": f"{split}2014", "annotations": annotations},
    )


GQA = {
    "07333408": {
        "imageId": "2375429",
        "question": "What is on the white wall?",
        "answer": "pipe",
        "fullAnswer": "The pipe is on the wall.",
        "isBalanced": True,
        "types": {"detailed": "relS", "semantic": "rel", "structural": "query"},
        "groups": {"global": "", "local": "10q-wall_on,s"},
        "semantic": [{"operation": "select", "argument": "wall (722332)", "dependencies": []}],
    },
    "07333405": {"imageId": "2375429", "question": "Is that pipe red?", "answer": "no"},
    "99": {"imageId": "n1", "question": "Who?", "answer": "nobody"},
    "100": {"question": "Which image?", "answer": "none"},
}
SCIENCEQA = {
    "1": {
        "question": "Which of these states is farthest north?",
        "choices": ["West Virginia", "Louisiana", "Arizona", "Oklahoma"],
        "answer": 0,
        "hint": "",
        "image": "image.png",
        "task": "closed choice",
        "grade": "grade2",
        "subject": "social science",
        "topic": "geography",
        "category": "Geography",
        "skill": "Read a map",
        "lecture": "Maps have four cardinal directions.",
        "solution": "Look at the compass rose.",
        "split": "train",
    },
    "2": {
        "question": "Which is a solid?",
        "choices": ["rock", "rain"],
        "answer": 0,
        "hint": "Think.",
        "image": None,
        "split": "train",
        "lecture": "",
        "solution": "",
    },
    "3": {"question": "Broken", "choices": ["a"], "answer": 3, "image": None, "split": "train"},
    "4": {
        "question": "Held out",
        "choices": ["a", "b"],
        "answer": 1,
        "image": None,
        "split": "test",
    },
}
VG_IMAGES = [
    {
        "image_id": 1,
        "url": "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg",
        "width": 40,
        "height": 30,
        "coco_id": None,
        "flickr_id": None,
    },
    {
        "image_id": 2,
        "url": "https://cs.stanford.edu/people/rak248/VG_100K/2.jpg",
        "width": 40,
        "height": 30,
        "coco_id": 77,
        "flickr_id": 5,
    },
]
VG_REGIONS = [
    {
        "id": 1,
        "regions": [
            {"region_id": 1382, "image_id": 1, "phrase": "the clock is green", "x": 4, "y": 5,
             "width": 6, "height": 7},
            {"region_id": 1383, "image_id": 1, "phrase": "shade  is white", "x": 0, "y": 0,
             "width": 3, "height": 3},
            {"region_id": 1384, "image_id": 1, "phrase": "the clock is green", "x": 9, "y": 9,
             "width": 2, "height": 2},
        ],
    },
    {"id": 2, "regions": [{"region_id": 5, "phrase": "a tree", "x": 1, "y": 1, "width": 2,
                           "height": 2}]},
    {"id": 3, "regions": [{"region_id": 6, "phrase": "x", "x": 1, "y": 1, "width": 1,
                           "height": 1}]},
]  # fmt: skip
LLAVA = [
    {
        "id": "000000000009",
        "image": "000000000009.jpg",
        "conversations": [
            {"from": "human", "value": "What is in the bowls?\n<image>"},
            {"from": "gpt", "value": "Food."},
            {"from": "human", "value": "How many?"},
            {"from": "gpt", "value": "Four."},
        ],
    },
    {
        "id": "text",
        "conversations": [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}],
    },
    {"id": "broken", "image": "x.jpg", "conversations": [{"from": "human", "value": "<image>"}]},
    {
        "id": "gone",
        "image": "000000009999.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat?"},
            {"from": "gpt", "value": "Nothing."},
        ],
    },
]
ALPACA = [
    {"instruction": "Give three tips.", "input": "", "output": "1. Eat. 2. Sleep. 3. Walk."},
    {"instruction": "Sort these.", "input": "b, a", "output": "a, b"},
    {"instruction": "Nothing comes.", "input": "", "output": ""},
]
MINIGPT4 = {
    "annotations": [
        {"image_id": "2", "caption": "The image shows a man who fishes on a lawn."},
        {"image_id": "3", "caption": "A street with many people."},
        {"image_id": "99", "caption": "This image is missing."},
    ]
}
OWL_QUESTIONS = [
    {"image": "1.jpg", "question_id": 1, "question": "Who is it?", "ability": "a,b",
     "category": ["single_turn", "multi_turn"]},
    {"image": "1.jpg", "question_id": 2, "question": "Where?", "ability": "a,b,f",
     "category": ["multi_turn"]},
    {"image": "2.jpg", "question_id": 3, "question": "What does it say?", "ability": "a,c",
     "category": ["single_turn"]},
]  # fmt: skip
