"""Characters that are written in more than one way, folded to one: 鐵 and 鉄, 邊 and 辺, and a firm's form: (株).

The forms before and after Japan's reform of 1946 to 1949 (Jōyō kanji table, cabinet notice of 2010, its forms in
brackets) and variants that are common in names of persons, places and firms. Old texts and registers write the former,
queries the latter. Simplified Chinese is left as it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["fold_variants"]

#: Each form of today, followed by its other ones.
_FORMS: Final = """
万萬 与與 両兩 並竝 乗乘 乱亂 亀龜 予豫 争爭 亘亙 亜亞 仏佛 仮假 会會 伝傳 体體 余餘 併倂
価價 倹儉 偽僞 児兒 党黨 内內 円圓 冊册 写寫 冴冱 凛凜 処處 刹剎 剣劍劔 剤劑 剥剝 剰剩 励勵
労勞 効效 勅敕 勧勸 勲勳 区區 医醫 単單 即卽 却卻 厳嚴 参參 双雙 収收 叙敍敘 叡睿 台臺 号號
呉吳 唇脣 営營 嘘噓 嘱囑 噛嚙 団團 囲圍 図圖 国國 圏圈 圧壓 堕墮 塁壘 塩鹽 填塡 増增 壊壞
壌壤 壮壯 声聲 壱壹 売賣 壷壺 変變 奥奧 奨奬 姉姊 姫姬 娯娛 嬢孃 学學 宝寶 実實 富冨 寛寬
寝寢 対對 寿壽 専專 将將 尚尙 尭堯 尽盡 届屆 属屬 屡屢 岳嶽 峡峽 峰峯 島嶋嶌 崎嵜﨑 巌巖 巣巢
巻卷 帯帶 帰歸 庁廳 広廣 床牀 廃廢 弁瓣辨辯 弐貳 弥彌 弯彎 弾彈 当當 彦彥 径徑 従從 徳德悳
徴徵 応應 恋戀 恒恆 恵惠 悦悅 悩惱 悪惡 惨慘 慎愼 懐懷 戦戰 戯戲 戸戶 戻戾 払拂 抜拔 択擇
担擔 拝拜 拠據 拡擴 挙擧舉 挟挾 挿插 捜搜 掲揭 掴摑 掻搔 揺搖 摂攝 撃擊 撹攪 教敎 数數 斉齊
斎齋 断斷 既旣 旧舊 昇曻 昼晝 晃晄 晋晉 晩晚 暁曉 暦曆 曜燿 曽曾 杉椙 条條 来來 松枩 枢樞
柳栁 査查 栄榮 桑桒 桜櫻 桝枡 桟棧 桧檜 梁樑 棋棊 検檢 楼樓 楽樂 概槪 様樣 槙槇 権權 横橫
欠缺 欧歐 歓歡 歩步 歯齒 歳歲 歴歷 残殘 殴毆 殻殼 毀毁 毎每 気氣 汚污 没沒 沢澤 沪濾 浄淨
浅淺 浜濱濵 涙淚 涛濤 涼凉 清淸 渇渴 済濟 渉涉 渋澀澁 渓溪 渕淵渊 温溫 湾灣 湿溼濕 満滿 溌潑
滝瀧 滞滯 潜潛 瀬瀨 灯燈 災灾 炉爐 点點 為爲 焔焰 焼燒 煙烟 犠犧 状狀 独獨 狭狹 猟獵 猫貓
献獻 獣獸 瑶瑤 瓶甁 産產 画畫 略畧 畳疊 痩瘦 痴癡 発發 盗盜 県縣 真眞 研硏 砕碎 礼禮 祢禰
祷禱 禄祿 禅禪 秋穐 秘祕 称稱 税稅 稚穉 稲稻 穂穗 穏穩 窃竊 窓窗窻 竃竈 竜龍 箪簞 粋粹 粛肅
糸絲 経經 絵繪 絶絕 継繼 続續 総總 緑綠 緒緖 縁緣 縄繩 縦縱 繊纎纖 繋繫 繍繡 缶罐 群羣 翠翆
翻飜 聡聰 聴聽 胆膽 脚腳 脱脫 脳腦 臓臟 舎舍 舗舖鋪 船舩 艶艷 芦蘆 芸藝 茎莖 草艸 荘莊 莱萊
葱蔥 蒋蔣 蔵藏 薫薰 薬藥 蘂蕊 虚虛 虫蟲 蚕蠶 蛍螢 蛮蠻 蝉蟬 蝋蠟 衛衞 装裝 裏裡 褒襃 覇霸
覚覺 覧覽 観觀 触觸 訳譯 証證 誉譽 説說 読讀 諌諫 謡謠 譲讓 讃讚 豊豐 賛贊 践踐 躯軀 転轉
軽輕 輌輛 辞辭 辺邉邊 逓遞 連聯 遅遲 遥遙 郎郞 郷鄉鄕 酔醉 醗醱 醤醬 醸釀 釈釋 野埜 針鍼 鉄鐵
鉱礦鑛 銭錢 鋭銳 鋳鑄 錬鍊 録錄 鎮鎭 関關 閲閱 闘鬪 陥陷 険險 随隨 隠隱 隣鄰 雑雜 霊靈 青靑
静靜 頚頸 頬頰 頼賴 顔顏 顕顯 食⻝ 飲飮 餅餠 館舘 駅驛 駆駈驅 騒騷 験驗 髄髓 高髙 髪髮 鴎鷗
鶏雞鷄 鹸鹼 麦麥 麹麴 麺麪麵 黄黃 黒黑 黙默 齢齡
"""

_TODAYS: Final = str.maketrans({other: form[0] for form in _FORMS.split() for other in form[1:]})
#: What a firm's name is shortened to; NFKC has made ``㈱`` into ``(株)``.
_SHORTENED: Final = {
    "株": "株式会社",
    "有": "有限会社",
    "資": "合資会社",
    "名": "合名会社",
    "財": "財団法人",
    "社": "社団法人",
}
_MARK: Final = re.compile(f"\\(([{''.join(_SHORTENED)}])\\)")


def fold_variants(text: str) -> str:
    """A text of NFKC in the forms of today, with the form of a firm written out: ``(株)關鐵`` is ``株式会社関鉄``."""
    return _MARK.sub(lambda found: _SHORTENED[found[1]], text.translate(_TODAYS))
