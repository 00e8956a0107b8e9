package ivr

import (
	"slices"

	"hotline/ivr/flow"
	"hotline/ivr/speech"
	"hotline/ivr/spoken"
)

// phrase is what Hotline itself says, in both languages. A prompt row of the same name replaces it.
type phrase struct{ zh, en string }

// catalogue holds the built-in prompts by name. Some are the parts around a number: "…-before" and "…-after".
var catalogue = map[string]phrase{
	"welcome":         {"您好，欢迎致电。", "Hello, and thank you for calling."},
	"goodbye":         {"感谢您的来电，再见。", "Thank you for calling. Goodbye."},
	"one-moment":      {"请稍候。", "One moment, please."},
	"invalid-choice":  {"您的选择无效，请重新输入。", "That is not a valid choice. Please try again."},
	"no-input":        {"没有收到您的输入。", "I did not get any input."},
	"too-short":       {"您输入的位数不够。", "That was too short."},
	"choose-language": {"普通话请按一。", "For English, press two."},
	"closed":          {"您好，现在是非工作时间。", "We are closed at the moment."},
	"try-later":       {"请您稍后再拨。", "Please call again later."},
	"system-error":    {"很抱歉，系统暂时出现问题。", "We are sorry, something went wrong on our side."},
	"transferring":    {"正在为您转接，请稍候。", "I am connecting you. One moment, please."},
	"transfer-failed": {"您所拨打的号码暂时无法接通。", "The number cannot be reached at the moment."},
	"locked":          {"输入次数过多，请稍后再试。", "There were too many attempts. Please try again later."},

	"queue-enter":      {"客服正忙，请您稍候，我们会按顺序为您接听。", "All of our agents are busy. Please hold, and we will answer your call in turn."},
	"position-before":  {"您目前排在第", "You are number"},
	"position-after":   {"位。", "in line."},
	"wait-before":      {"预计等待时间约", "The expected wait is about"},
	"wait-one":         {"预计等待时间约一分钟。", "The expected wait is about one minute."},
	"wait-after":       {"分钟。", "minutes."},
	"still-waiting":    {"感谢您的耐心等待，请不要挂机。", "Thank you for your patience. Please stay on the line."},
	"place-kept":       {"您刚才的排队位置已为您保留。", "We have kept your place in line."},
	"max-wait":         {"很抱歉，客服仍然繁忙。", "We are sorry, all of our agents are still busy."},
	"callback-offer":   {"如需我们给您回电，请按", "To be called back without losing your place, press"},
	"callback-yours":   {"我们将拨打您的来电号码：", "We will call you at the number you are calling from:"},
	"callback-typed":   {"您输入的号码是：", "You entered:"},
	"callback-confirm": {"确认请按一，更换号码请按二，继续等待请按星号。", "To confirm, press one. For another number, press two. To keep waiting, press star."},
	"callback-number":  {"请输入您的电话号码，以井号键结束。", "Please enter your phone number, followed by the hash key."},
	"callback-bad":     {"这个号码无法使用。", "That number cannot be used."},
	"callback-noted":   {"好的，您的排队位置已保留，我们会尽快给您回电。", "Thank you. We have kept your place in line and will call you back as soon as possible."},

	"agent-lost":    {"很抱歉，与坐席的连接中断了。请不要挂机，我们马上为您接通下一位坐席。", "We are sorry, we have lost the connection to your agent. Please stay on the line: you are next."},
	"agent-busy":    {"您要找的坐席暂时无法接听，下一位空闲的坐席将为您服务。", "The person you asked for cannot take your call now. The next free agent will help you."},
	"transfer-back": {"您要转接的号码暂时无法接通，请不要挂机，我们马上为您接通坐席。", "The number cannot be reached at the moment. Please stay on the line: you are next."},

	"voicemail-greeting": {"请在提示音后留言，结束请按井号键。", "Please leave a message after the tone, and press the hash key when you are done."},
	"voicemail-short":    {"留言太短。", "Your message was too short."},
	"voicemail-review":   {"保存留言请按一，试听请按二，重新录制请按三。", "To keep your message, press one. To listen to it, press two. To record it again, press three."},
	"voicemail-saved":    {"您的留言已保存，我们会尽快与您联系。", "Your message was saved. We will get back to you as soon as possible."},
	"voicemail-full":     {"已达到最长录音时间。", "You have reached the maximum length."},
	"voicemail-failed":   {"很抱歉，现在无法录音。我们会给您回电。", "We are sorry, messages cannot be recorded at the moment. We will call you back."},

	"status-ask-ticket": {"请输入您的工单号码，以井号键结束。", "Please enter your ticket number, followed by the hash key."},
	"status-no-match":   {"没有找到与您的号码相符的工单。", "I could not find an open ticket that matches."},
	"status-ticket":     {"工单", "Ticket"},
	"status-new":        {"已收到，正在等待处理。", "has been received and is waiting to be handled."},
	"status-open":       {"正在处理中。", "is being worked on."},
	"status-pending":    {"正在等待您的回复。", "is waiting for your reply."},
	"status-resolved":   {"已解决。", "has been resolved."},
	"status-closed":     {"已关闭。", "has been closed."},
	"status-updated":    {"最近更新时间：", "It was last updated on"},
}

// builtIn returns the text of a built-in prompt, "" if there is none.
func builtIn(name, language string) string {
	p := catalogue[name]
	if language == spoken.Chinese {
		return p.zh
	}
	if language == "en" {
		return p.en
	}
	return ""
}

// builtInTexts is all that Hotline itself may ever say: phrases and the words of numbers and dates.
func builtInTexts() []speech.Text {
	var out []speech.Text
	for _, l := range flow.Languages {
		for name := range catalogue {
			out = append(out, speech.Text{Language: l, Words: builtIn(name, l)})
		}
		for _, w := range spoken.Vocabulary(l) {
			out = append(out, speech.Text{Language: l, Words: w})
		}
	}
	return out
}

// builtInRows lists the built-in prompts as rows.
func builtInRows() []PromptRow {
	var out []PromptRow
	for name := range catalogue {
		for _, l := range flow.Languages {
			out = append(out, PromptRow{Name: name, Language: l, Kind: "speech", Text: builtIn(name, l), BuiltIn: true})
		}
	}
	slices.SortFunc(out, comparePrompts)
	return out
}
