package seed

import (
	"math/rand/v2"
	"strings"

	"hotline/tickets"
)

// piece is a stretch of text that stands apart from its neighbours, with its tokens.
type piece struct {
	text   string
	tokens []string
}

func pieces(texts ...string) []piece {
	var list []piece
	for _, t := range texts {
		list = append(list, piece{t, tickets.Tokens([]string{t}, nil)})
	}
	return list
}

// Rare are words that only few documents hold: one in some fifty thousand. Measurements ask for them and for the common ones.
var Rare = []string{"zeppelin", "麒麟"}

var (
	surnames = pieces(strings.Fields("王 李 张 刘 陈 杨 黄 赵 周 吴 徐 孙 马 朱 胡 郭 何 林 高 罗 郑 梁 谢 宋 唐 许 邓 冯 韩 曹 欧阳 诸葛 司马 上官")...)
	given    = pieces(strings.Fields("伟 芳 娜 秀英 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀兰 霞 平 刚 桂英 建国 志强 文静 雨桐 子轩 浩然 欣怡")...)
	chinese  = pieces(combine("退款 发票 物流 账号 密码 安装 维修 保修 投诉 咨询 打印机 空调 合同 报价 交货 质量 升级 断网 漏水 预约 宽带", "申请 查询 修改 取消 催促 确认 反馈 更换 登记 核实")...)
	english  = pieces(strings.Fields("refund invoice delivery account password install repair warranty complaint question printer contract quote shipment quality upgrade outage leak appointment router modem screen battery cable remote licence invoice-copy address signature manager urgent tomorrow morning customer called back promised explained waiting parts ordered order arrived")...)
	rare     = pieces(Rare...)
	queues   = strings.Fields("support sales billing field")
	states   = []tickets.State{tickets.StateClosed, tickets.StateResolved, tickets.StatePending, tickets.StateOpen, tickets.StateNew}
	shares   = []int{70, 22, 4, 3, 1} // of a hundred
)

// combine makes all pairs of topic and action.
func combine(topics, actions string) []string {
	var list []string
	for _, t := range strings.Fields(topics) {
		for _, a := range strings.Fields(actions) {
			list = append(list, t+a)
		}
	}
	return list
}

func pick(rnd *rand.Rand, list []piece) piece { return list[rnd.IntN(len(list))] }

// join writes pieces as a text: a space sets them apart for the reader and for search.
func join(list []piece) string {
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// drawBody is what a note says: some ten words and phrases, thirty tokens of search.
func drawBody(rnd *rand.Rand) []piece {
	list := make([]piece, 0, 16)
	for range 4 + rnd.IntN(12) {
		if rnd.IntN(2) == 0 {
			list = append(list, pick(rnd, chinese))
		} else {
			list = append(list, pick(rnd, english))
		}
	}
	if rnd.IntN(50_000) == 0 {
		list = append(list, pick(rnd, rare))
	}
	return list
}

func drawState(rnd *rand.Rand) tickets.State {
	r := rnd.IntN(100)
	for i, share := range shares {
		if r -= share; r < 0 {
			return states[i]
		}
	}
	return tickets.StateNew
}
