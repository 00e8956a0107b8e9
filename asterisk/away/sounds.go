package away

// Sound is an announcement of the dialplan: Hotline speaks it when the configuration is rendered, as WAV of 8 kHz, 16 bits, one channel.
type Sound struct {
	File     string // below astdatadir
	Language string
	Text     string
}

// Sounds are the announcements. Where one is missing the beep stands alone.
func Sounds() []Sound {
	return []Sound{
		{"sounds/hotline/away-en.wav", "en", "We are sorry, nobody can take your call at the moment. Please leave a message after the tone, and we will call you back."},
		{"sounds/hotline/away-zh-CN.wav", "zh-CN", "非常抱歉，目前无法接听您的来电。请在提示音后留言，我们会给您回电。"},
	}
}
