package ivr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/ivr/flow"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/postgres"
)

// Limits of a prompt.
const (
	MaxAudioBytes = 20 << 20
	maxAudio      = 10 * time.Minute
	maxText       = 2000 // bytes
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func validName(name string) bool { return namePattern.MatchString(name) }

const promptColumns = `select name, language, kind, text, duration_ms, version, updated_at, updated_by, false as built_in from prompt`

func comparePrompts(a, b PromptRow) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Language, b.Language))
}

// Prompts lists the prompts by name and language, the built-in ones included.
func (s *Store) Prompts(ctx context.Context) ([]PromptRow, error) {
	rows, err := s.pool.Query(ctx, promptColumns)
	if err != nil {
		return nil, err
	}
	own, err := pgx.CollectRows(rows, pgx.RowToStructByName[PromptRow])
	if err != nil {
		return nil, err
	}
	for _, b := range builtInRows() {
		if !slices.ContainsFunc(own, func(r PromptRow) bool { return comparePrompts(r, b) == 0 }) {
			own = append(own, s.withDuration(b))
		}
	}
	slices.SortFunc(own, comparePrompts)
	return own, nil
}

func (s *Store) withDuration(r PromptRow) PromptRow {
	if s.voice != nil {
		if p, ok := s.voice.Ready(speech.Text{Language: r.Language, Words: r.Text}); ok {
			r.DurationMS = p.Duration().Milliseconds()
		}
	}
	return r
}

// Prompt returns a prompt, own or built-in.
func (s *Store) Prompt(ctx context.Context, name, language string) (PromptRow, error) {
	row, err := promptRow(ctx, s.pool, name, language)
	if hotline.KindOf(err) == hotline.NotFound && builtIn(name, language) != "" {
		return s.withDuration(PromptRow{Name: name, Language: language, Kind: "speech", Text: builtIn(name, language), BuiltIn: true}), nil
	}
	return row, err
}

func promptRow(ctx context.Context, db postgres.DB, name, language string) (PromptRow, error) {
	rows, err := db.Query(ctx, promptColumns+" where name = $1 and language = $2", name, language)
	if err != nil {
		return PromptRow{}, err
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[PromptRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return row, notFound("prompt.not_found", "there is no prompt %q in %s", name, language)
	}
	return row, err
}

// PutPrompt keeps a text that the voice speaks. Version is the one that was read, 0 for a new prompt. It is spoken before it is
// kept: a text that cannot be spoken is refused.
func (s *Store) PutPrompt(ctx context.Context, by string, p PromptRow) (PromptRow, error) {
	if err := checkPrompt(p); err != nil {
		return p, err
	}
	var ms int64
	if s.voice != nil {
		sound, err := s.voice.Prompt(ctx, speech.Text{Language: p.Language, Words: p.Text})
		if err != nil {
			return p, err
		}
		ms = sound.Duration().Milliseconds()
	}
	return s.writePrompt(ctx, by, p, "speech", nil, ms)
}

// PutPromptAudio keeps a recorded prompt: a WAV of any rate, one or two channels. Text says what was recorded, if it is known.
func (s *Store) PutPromptAudio(ctx context.Context, by string, p PromptRow, wav []byte) (PromptRow, error) {
	if err := checkPromptName(p); err != nil {
		return p, err
	}
	if len(p.Text) > maxText || !utf8.ValidString(p.Text) {
		return p, invalid("text", "prompt.text", "the text must be UTF-8 of at most %d bytes", maxText)
	}
	pcm, err := decodeAudio(wav)
	if err != nil {
		return p, err
	}
	return s.writePrompt(ctx, by, p, "audio", wav, media.NewPrompt(pcm).Duration().Milliseconds())
}

// decodeAudio makes 8 kHz mono of an uploaded file.
func decodeAudio(wav []byte) ([]int16, error) {
	if len(wav) > MaxAudioBytes {
		return nil, invalid("audio", "prompt.too_big", "the file has %d bytes; at most %d are allowed", len(wav), MaxAudioBytes)
	}
	a, err := media.ReadWAV(bytes.NewReader(wav))
	if err != nil {
		e := hotline.Errorf(hotline.Invalid, "prompt.not_wav", "the file is no WAV that can be read: %w", err)
		e.Field = "audio"
		return nil, e
	}
	if a.Rate < 4000 || a.Rate > 192000 || a.Channels < 1 {
		return nil, invalid("audio", "prompt.rate", "a rate of %d Hz cannot be used; 8000 to 192000 can", a.Rate)
	}
	pcm := media.Resample(media.Mono(a), a.Rate, media.SampleRate)
	switch d := media.NewPrompt(pcm).Duration(); {
	case d < 20*time.Millisecond:
		return nil, invalid("audio", "prompt.empty", "the file holds no sound")
	case d > maxAudio:
		return nil, invalid("audio", "prompt.too_long", "the prompt lasts %s; at most %s are allowed", d.Round(time.Second), maxAudio)
	}
	return pcm, nil
}

// Check says what is wrong with the prompt, as [Store.PutPrompt] would, or with audio [Store.PutPromptAudio].
func (p PromptRow) Check(audio []byte) error {
	if audio == nil {
		return checkPrompt(p)
	}
	if err := checkPromptName(p); err != nil {
		return err
	}
	_, err := decodeAudio(audio)
	return err
}

func checkPromptName(p PromptRow) error {
	if !validName(p.Name) {
		return invalid("name", "prompt.bad_name", "%q is not a name: use a-z, 0-9 and -", p.Name)
	}
	if !known(p.Language) {
		return invalid("language", "prompt.language", "%q is not one of zh-CN, en", p.Language)
	}
	return nil
}

func checkPrompt(p PromptRow) error {
	if err := checkPromptName(p); err != nil {
		return err
	}
	if strings.TrimSpace(p.Text) == "" || len(p.Text) > maxText || !utf8.ValidString(p.Text) || strings.ContainsRune(p.Text, 0) {
		return invalid("text", "prompt.text", "the text must be UTF-8 of 1 to %d bytes", maxText)
	}
	return nil
}

func (s *Store) writePrompt(ctx context.Context, by string, p PromptRow, kind string, wav []byte, ms int64) (PromptRow, error) {
	var out PromptRow
	err := s.edit(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"name": p.Name, "language": p.Language, "kind": kind, "text": p.Text, "audio": wav, "ms": ms, "by": by, "version": p.Version}
		sql := `update prompt set kind = @kind, text = @text, audio = @audio, duration_ms = @ms, updated_by = @by, updated_at = now(),
			version = version + 1 where name = @name and language = @language and version = @version`
		if p.Version == 0 {
			sql = `insert into prompt (name, language, kind, text, audio, duration_ms, updated_by)
				values (@name, @language, @kind, @text, @audio, @ms, @by) on conflict do nothing`
		}
		tag, err := tx.Exec(ctx, sql, args)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return conflict("prompt")
		}
		out, err = promptRow(ctx, tx, p.Name, p.Language)
		return err
	})
	return out, err
}

// DeletePrompt removes a prompt, unless a published flow needs it.
func (s *Store) DeletePrompt(ctx context.Context, name, language string, version int64) error {
	return s.edit(ctx, func(tx pgx.Tx) error {
		if err := removeVersioned(ctx, tx, "prompt", "name = $1 and language = $2", version, name, language); err != nil {
			return err
		}
		return s.stillGood(ctx, tx, "prompt")
	})
}

// removeVersioned deletes the row that where and args name, if it is of that version (0: of any).
func removeVersioned(ctx context.Context, tx pgx.Tx, table, where string, version int64, args ...any) error {
	var at int64
	err := tx.QueryRow(ctx, "select version from "+table+" where "+where+" for update", args...).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound(table+".not_found", "there is no such %s: %v", table, args)
	}
	if err != nil {
		return err
	}
	if version != 0 && at != version {
		return conflict(table)
	}
	_, err = tx.Exec(ctx, "delete from "+table+" where "+where, args...)
	return err
}

// stillGood refuses a removal after which a published flow could not be published.
func (s *Store) stillGood(ctx context.Context, tx pgx.Tx, what string) error {
	w, err := readWorld(ctx, tx, s.rules)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "select v.flow, v.source from flow f join flow_version v on v.flow = f.name and v.version = f.published_version order by 1")
	if err != nil {
		return err
	}
	live, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Source string }])
	if err != nil {
		return err
	}
	for _, l := range live {
		_, problems := flow.Check(l.Source, w)
		for _, p := range problems {
			if p.Code == "flow.unknown_"+what {
				return hotline.Errorf(hotline.Conflict, what+".in_use", "the flow %q needs it (line %d: %s); change the flow first", l.Name, p.Line, p.Message)
			}
		}
	}
	return nil
}

// PromptAudio returns a prompt as it is heard: 8 kHz, mono, WAV.
func (s *Store) PromptAudio(ctx context.Context, name, language string) ([]byte, error) {
	p, err := s.Prompt(ctx, name, language)
	if err != nil {
		return nil, err
	}
	if p.Kind == "speech" {
		return s.Speak(ctx, p.Text, p.Language)
	}
	wav, err := s.PromptUpload(ctx, name, language)
	if err != nil {
		return nil, err
	}
	pcm, err := decodeAudio(wav)
	if err != nil {
		return nil, err
	}
	return encodeWAV(pcm)
}

// PromptUpload returns the file of a recorded prompt as it was uploaded.
func (s *Store) PromptUpload(ctx context.Context, name, language string) ([]byte, error) {
	var wav []byte
	err := s.pool.QueryRow(ctx, "select audio from prompt where name = $1 and language = $2 and kind = 'audio'", name, language).Scan(&wav)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("prompt.no_audio", "prompt %q in %s was not recorded", name, language)
	}
	return wav, err
}

// Speak returns a text as the voice says it, to be tried out: WAV.
func (s *Store) Speak(ctx context.Context, text, language string) ([]byte, error) {
	if err := checkPrompt(PromptRow{Name: "x", Language: language, Text: text}); err != nil {
		return nil, err
	}
	if s.voice == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "speech.missing", "there is no voice: run apt-get install espeak-ng and start again")
	}
	p, err := s.voice.Speak(ctx, speech.Text{Language: language, Words: text})
	if err != nil {
		return nil, err
	}
	return encodeWAV(p.PCM())
}

func encodeWAV(pcm []int16) ([]byte, error) {
	var b bytes.Buffer
	err := media.WriteWAV(&b, media.WAV{Rate: media.SampleRate, Channels: 1, PCM: pcm})
	return b.Bytes(), err
}

// speakAhead speaks the texts of a flow, so that a flow which cannot be spoken is not published.
func (s *Store) speakAhead(ctx context.Context, f *flow.Flow) error {
	if s.voice == nil {
		return nil
	}
	_, err := s.voice.Prepare(ctx, flowTexts(f))
	return err
}

// flowTexts returns the texts that stand in a flow itself.
func flowTexts(f *flow.Flow) []speech.Text {
	var out []speech.Text
	for _, p := range f.Sayings() {
		for l, words := range p.Text {
			out = append(out, speech.Text{Language: l, Words: words})
		}
	}
	return out
}
