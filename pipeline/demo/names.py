"""What the demo company's customers are called. Any likeness to a real business is chance."""

from typing import Final

import numpy as np

from pipeline.demo.dates import Flags, Ints
from pipeline.demo.hazard import INDUSTRIES

_FIRST: Final = (
    "Harrow Copper Alder Maple Silver Stone Briar Willow Marsh Kestrel Heron Thistle Amber North South West East "
    "Upper Lower Old New High Long Bright Clear Green Grey White Black Red Fern Hazel Rowan Juniper Sorrel "
    "Saffron Cobalt Flint Granite Chalk Slate Sand Salt River Mill Abbey Bishop Priory Chapel King Queen Duke "
    "Baron Falcon Raven Otter Badger Fox Hare Lark Swift Linden Cedar Aspen Birch Elder Holly Ivy Laurel Myrtle "
    "Orchard Quarry Harbour Anchor Lantern Beacon Tower Castle Market Station Canal Meadow Valley Summit Ridge "
    "Winter Summer Autumn Spring Morning Evening"
).split()
_SECOND: Final = (
    "Lane|Beech|Bridge|Street|Road|Court|Cross|Gate|Field|Hill|Grove|Park|Row|Walk|Green|Wood|Brook|Ford|Well|"
    "Yard|Barn|Close|Corner|Common|Dale|Down|End|Farm|Glen|Heath|Hollow|House|Leigh|Mead|Moor|Oak|Path|Place|"
    "Point|Pond|Quay|Reach|Rise|Shore|Side|Square|Steps|Terrace|Vale|View|Wharf|Green Road|Hill Road|Park Road"
).split("|")
_KINDS: Final = (
    ("Dental", "Dental Practice", "Dental Care", "Orthodontics", "Dental Studio"),
    ("Veterinary", "Veterinary Centre", "Animal Hospital", "Pet Clinic", "Vets"),
    ("Medical Centre", "Health Clinic", "Family Practice", "Physiotherapy", "Surgery"),
    ("Pharmacy", "Chemists", "Dispensary", "Pharmacy & Wellbeing", "Apothecary"),
    ("Grocers", "Food Market", "Farm Shop", "Fresh Foods", "Provisions"),
    ("Outfitters", "Clothing", "Footwear", "Boutique", "Menswear"),
    ("Warehousing", "Storage", "Fulfilment", "Cold Store", "Distribution"),
    ("Parcels", "Couriers", "Logistics", "Freight", "Deliveries"),
)
_PLACES: Final = (
    "和平里 望京 双井 中关村 五道口 陆家嘴 徐家汇 静安寺 虹口 天河 海珠 白云 南山 福田 罗湖 宝安 春熙路 锦江 "
    "武侯 青羊 解放碑 沙坪坝 江汉路 光谷 鼓楼 玄武 西湖 滨江 姑苏 园区 湖里 思明 鼓浪 崂山 市南 和平路 滨海 "
    "铜锣湾 旺角 沙田 荃湾 牛车水 大坪 裕廊 金水 雁塔 碑林 岳麓 芙蓉 蜀山"
).split()
_MARKS: Final = (
    "安心 康宁 佳和 美林 仁济 同德 瑞丰 恒信 百顺 锦绣 明珠 悦来 福临 新程 远航 晨光 星河 春晖 嘉禾 永泰 华盛 "
    "金桥 长青 万家 友邻 天成 顺达 众合 启明 朗悦"
).split()
_KINDS_ZH: Final = (
    ("口腔", "口腔门诊", "齿科"),
    ("宠物医院", "动物诊所", "宠物诊所"),
    ("门诊部", "诊所", "康复中心"),
    ("大药房", "药店", "医药"),
    ("超市", "生鲜", "便利店"),
    ("服饰", "鞋业", "女装"),
    ("仓储", "冷库", "云仓"),
    ("速递", "物流", "货运"),
)
_TOWNS: Final = (
    "Ashford Barnham Carrick Dunmore Eastleigh Fenwick Galway Hatfield Inverlea Kelso Lynford Marlow Newbury "
    "Oakham Penrith Redhill Selby Thornbury Upton Wexham"
).split()
_TOWNS_ZH: Final = "东门店 西门店 南路店 北苑店 总店 广场店 新区店 老街店 站前店 湖滨店".split()


def company_names(industry: Ints, chinese: Flags, rng: np.random.Generator) -> list[str]:
    """A name for each account, fitting its industry and language, none given twice.

    Where the words run out (beyond some 25,000 accounts of an industry) the names go on with a number.
    """
    names = [""] * len(industry)
    for kind in range(len(INDUSTRIES)):
        for in_chinese in (False, True):
            rows = np.flatnonzero((industry == kind) & (chinese == in_chinese))
            choices = _chinese(kind) if in_chinese else _english(kind)
            order = rng.permutation(len(choices))
            for number, row in enumerate(rows):
                again, place = divmod(number, len(choices))
                names[row] = choices[order[place]] + (f" {again + 1}" if again else "")
    return names


def branch_name(parent: str, number: int, chinese: bool) -> str:
    """The name of a chain's branch.

    >>> branch_name("Harrow Lane Dental", 1, False)
    'Harrow Lane Dental Barnham'
    """
    towns = _TOWNS_ZH if chinese else _TOWNS
    return f"{parent}{'' if chinese else ' '}{towns[number % len(towns)]}"


def _english(kind: int) -> list[str]:
    return [f"{first} {second} {last}" for first in _FIRST for second in _SECOND for last in _KINDS[kind]]


def _chinese(kind: int) -> list[str]:
    return [f"{place}{mark}{last}" for place in _PLACES for mark in ("", *_MARKS) for last in _KINDS_ZH[kind]]
