// Runs in an agent's page before anything else, for what no machine without a screen has: a notification that somebody clicks, a tab
// that is hidden, a headset that is pulled out. Notifications, loudspeakers and the first microphone are Chromium's own (fake devices);
// emulated are the click, the visibility of the page, and the devices' coming and going: the track ends, the list changes, and what is
// not there cannot be opened.
;(() => {
  if (location.protocol === 'about:') return
  const desk = (window.e2eDesk = { notes: [], contexts: [], plugged: new Set(['table', 'headset']), tracks: [] })

  const Note = window.Notification
  window.Notification = class extends Note {
    constructor(title, options) {
      super(title, options)
      desk.notes.push(this)
    }
    close() {
      this.gone = true
      super.close()
    }
  }
  desk.note = () => {
    const n = desk.notes.at(-1)
    return n ? { title: n.title, body: n.body, gone: n.gone === true } : null
  }
  desk.click = () => desk.notes.at(-1).dispatchEvent(new Event('click'))
  window.focus = () => (desk.focused = true)

  // Who comes to the board with #listen listens at once, without a hand on the page. Whatever steers Chromium counts as a hand for it, so
  // its refusal to play is emulated: until a click or key that is a person's (or as good as one), an element does not play.
  if (location.hash === '#listen') {
    let touched = false
    for (const hand of ['pointerdown', 'keydown']) addEventListener(hand, (e) => (touched ||= e.isTrusted), true)
    const play = HTMLMediaElement.prototype.play
    HTMLMediaElement.prototype.play = function () {
      if (touched) return play.call(this)
      this.autoplay = false
      this.pause()
      return Promise.reject(new DOMException('play() failed because the user did not interact with the document first', 'NotAllowedError'))
    }
  }
  const listen = setInterval(() => {
    if (location.hash !== '#listen') return clearInterval(listen)
    const button = document.querySelector('[data-mode="listen"]:not([disabled])')
    if (button) clearInterval(listen), button.click()
  }, 100)

  let hidden = false
  Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') })
  Object.defineProperty(document, 'hidden', { get: () => hidden })
  desk.hide = (on) => {
    hidden = on
    document.dispatchEvent(new Event('visibilitychange'))
  }

  const Context = window.AudioContext
  window.AudioContext = class extends Context {
    constructor(...args) {
      super(...args)
      desk.contexts.push(this)
    }
  }
  desk.sinks = () => desk.contexts.map((c) => c.sinkId).filter((id) => typeof id === 'string' && id !== '')

  const media = navigator.mediaDevices
  if (!media) return
  const list = media.enumerateDevices.bind(media), open = media.getUserMedia.bind(media)
  media.enumerateDevices = async () => {
    const all = (await list()).filter((d) => d.kind !== 'audioinput' || desk.plugged.has('table'))
    if (desk.plugged.has('headset')) all.push({ kind: 'audioinput', deviceId: 'headset', groupId: 'usb', label: 'USB headset' })
    return all
  }
  const headset = () => {
    const context = new Context(), tone = context.createOscillator(), loud = context.createGain(), out = context.createMediaStreamDestination()
    tone.frequency.value = 1560
    loud.gain.value = 0.3
    tone.connect(loud).connect(out)
    tone.start()
    out.stream.getAudioTracks()[0].getSettings = () => ({ deviceId: 'headset' })
    return out.stream
  }
  media.getUserMedia = async (wish) => {
    const wanted = wish?.audio?.deviceId?.exact
    const from = wanted === 'headset' ? 'headset' : desk.plugged.has('table') || wanted ? 'table' : 'headset'
    if (!desk.plugged.has(from)) throw new DOMException('Requested device not found', wanted ? 'OverconstrainedError' : 'NotFoundError')
    const stream = from === 'headset' ? headset() : await open(wish)
    desk.tracks.push({ from, track: stream.getAudioTracks()[0] })
    return stream
  }
  desk.unplug = (name) => {
    desk.plugged.delete(name)
    for (const t of desk.tracks.filter((x) => x.from === name && x.track.readyState === 'live')) {
      t.track.stop()
      t.track.dispatchEvent(new Event('ended'))
    }
    media.dispatchEvent(new Event('devicechange'))
  }
  desk.plug = (name) => {
    desk.plugged.add(name)
    media.dispatchEvent(new Event('devicechange'))
  }
})()
